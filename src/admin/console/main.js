// Signs people in, chooses the page, keeps it fresh.

import { caller, signIn, signOut } from './api.js';
import { field, h, put, say, trouble } from './dom.js';
import { setTheme, theme } from './theme.js';
import { overview } from './overview.js';
import { tenant } from './tenant.js';
import { mapping } from './mapping.js';
import { chats } from './chats.js';
import { operations } from './operations.js';
import { reports } from './reports.js';

const EVERY_MS = 2000;
const PAGES = { '': overview, tenant, mapping, chats, reports, operations };
const main = document.getElementById('content');
const fresh = document.getElementById('fresh');
let round = 0;

function signInPage(error) {
  const token = h('input', { type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
  const wrong = h('div', {}, error ? trouble(error) : null);
  const form = h('form', { class: 'card signin' },
    h('h1', { tabindex: '-1' }, 'Sign in'),
    h('p', {}, 'With an admin token. It stays in this tab and is forgotten when the tab is closed.'),
    field('Admin token', token, 'liveagent-bridge admin token --config bridge.toml --role read --subject you'),
    wrong, h('div', { class: 'actions' }, h('button', { type: 'submit' }, 'Sign in')));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await signIn(token.value.trim());
      show();
    } catch (refused) {
      put(wrong, trouble(refused));
      token.focus();
    }
  });
  document.title = 'Sign in · liveagent-bridge';
  put(main, form);
  token.focus();
}

/** Draws the page that the address names, then again and again while it is looked at. */
async function show() {
  round += 1;
  const mine = round;
  const person = caller();
  document.getElementById('nav').hidden = !person;
  document.getElementById('out').hidden = !person;
  const who = document.getElementById('who');
  who.hidden = !person;
  fresh.textContent = '';
  if (!person) return signInPage();
  who.textContent = `${person.name} · ${person.operates ? 'operate' : 'read'}`;
  const [name, ...rest] = decodeHash();
  for (const link of document.querySelectorAll('#nav a')) {
    const own = link.hash === `#/${name}` || (name === 'tenant' && link.hash === '#/');
    if (own) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const page = (PAGES[name] || overview)({ person, param: rest.join('/'), again: () => refresh() });
  document.title = `${page.title} · liveagent-bridge`;
  const heading = h('h1', { tabindex: '-1' }, page.title);
  const wrong = h('div', {});
  put(main, h('div', { class: 'heading' }, heading, page.aside), wrong, page.body);
  heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  async function refresh() {
    try {
      await page.load();
      if (mine !== round) return;
      wrong.replaceChildren();
      fresh.textContent = page.once ? '' : `live · ${new Date().toLocaleTimeString('en-GB')}`;
    } catch (error) {
      if (mine !== round || error.status === 401) return;
      if (error.status === undefined) throw error;
      // Said once, not every two seconds.
      if (wrong.textContent.includes(error.message)) return;
      put(wrong, trouble(error));
      fresh.textContent = 'not live';
    }
  }
  await refresh();
  while (mine === round && !page.once) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    if (mine === round && !document.hidden) await refresh();
  }
}

function decodeHash() {
  const parts = location.hash.replace(/^#\/?/, '').split('/');
  return parts.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}

const choice = document.getElementById('theme');
choice.value = theme();
choice.addEventListener('change', () => setTheme(choice.value));
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById('out').addEventListener('click', () => {
  signOut();
  say('Signed out');
  show();
});
document.addEventListener('signed-out', () => {
  if (!caller()) return;
  signOut();
  show();
});
window.addEventListener('hashchange', show);
show();
