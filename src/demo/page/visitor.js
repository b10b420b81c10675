// The visitor's side: the pre-chat form, a tab for each chat, the raw log.

import { LiveAgentClient } from './client.js';
import { by, chip, make, minute, ROUTES, showLines } from './dom.js';
import { now } from './timeline.js';

// A browser opens six connections to one host; each running chat holds one for its poll.
const RUNNING_MAX = 4;
const TYPING_STOPS_AFTER_MS = 3000;
const LOG_SHOWN = 60;

const PEOPLE = [
  ['Anna', 'Adams', 'Where is my order?'],
  ['Ben', 'Brown', 'My invoice is wrong'],
  ['Cleo', 'Clark', 'I would like to change my address'],
  ['David', 'Diaz', 'The app does not let me sign in'],
  ['Elif', 'Evans', 'Can I return this?'],
];

const chats = [];
const routes = new Map();
let ids = null;
let current = null;
let typing = null;

/** A decision gave a chat its route. */
export function routeIs(letter, route) {
  routes.set(letter, route);
  show();
}

function suggest() {
  const [first, last, subject] = PEOPLE[chats.length % PEOPLE.length];
  const form = by('prechat').elements;
  form.firstName.value = first;
  form.lastName.value = last;
  form.email.value = `${first.toLowerCase()}.${last.toLowerCase()}@example.com`;
  form.subject.value = subject;
}

/** The handlers of one chat's client. */
function handlers(chat) {
  const note = (text) => chat.lines.push({ from: 'note', text, at: now() });
  const kinds = {
    ChatRequestSuccess: () => note('Waiting for an agent'),
    QueueUpdate: ({ position }) => position > 0 && note(`Place ${position} in the queue`),
    ChatEstablished: ({ name }) => { chat.state = 'active'; note(`${name} joined`); },
    ChatTransferred: ({ name }) => note(`Transferred to ${name}`),
    AgentDisconnect: () => note('The agent left'),
    AgentTyping: ({ name }) => { chat.typing = name || 'The agent'; },
    AgentNotTyping: () => { chat.typing = ''; },
    ChatMessage: ({ name, text }) => {
      chat.typing = '';
      chat.lines.push({ from: 'them', name, text, at: now() });
    },
    ChatRequestFail: ({ reason }) => note(`No agent: ${reason}`),
    ChatEnded: ({ reason }) => note(`ChatEnded (${reason})`),
  };
  return {
    message(type, message) {
      kinds[type]?.(message);
      show();
    },
    over() {
      chat.state = 'ended';
      chat.typing = '';
      show();
    },
    log() {
      if (chat === current) showLog(chat);
    },
  };
}

async function start(event) {
  event.preventDefault();
  const prechat = Object.fromEntries(new FormData(by('prechat')));
  by('prechat-problem').textContent = '';
  if (chats.filter((chat) => chat.state !== 'ended').length >= RUNNING_MAX) {
    by('prechat-problem').textContent = `${RUNNING_MAX} chats are running; end one first.`;
    return;
  }
  by('start').disabled = true;
  const name = `${prechat.firstName} ${prechat.lastName}`;
  const chat = { name, state: 'waiting', lines: [], typing: '', draft: '' };
  chat.lines.push({ from: 'note', text: `Subject: ${prechat.subject}`, at: now() });
  chat.client = new LiveAgentClient('', ids, handlers(chat));
  try {
    await chat.client.start(prechat);
    chats.push(chat);
    select(chat);
    by('visitor-text').focus();
  } catch (error) {
    by('prechat-problem').textContent = `The chat did not start: ${error.message}`;
  } finally {
    by('start').disabled = false;
  }
}

function select(chat) {
  if (current) current.draft = by('visitor-text').value;
  current = chat;
  by('visitor-text').value = chat ? chat.draft : '';
  if (!chat) suggest();
  show();
  if (chat) by('visitor-lines').scrollTop = by('visitor-lines').scrollHeight;
}

function tab(chat, nth, all) {
  const selected = chat === current;
  const letter = chat && chat.client.letter;
  const button = chat
    ? make('button', `tab ${chat.state}`, chip(letter, routes.get(letter)), ` ${chat.name}`)
    : make('button', 'tab', '+ New chat');
  button.type = 'button';
  button.role = 'tab';
  button.ariaSelected = String(selected);
  button.tabIndex = selected ? 0 : -1;
  button.dataset.tab = String(nth);
  button.onclick = () => select(chat);
  button.onkeydown = ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = (nth + step + all.length) % all.length;
    select(all[next]);
    by('tabs').querySelector(`[data-tab="${next}"]`).focus();
  };
  return button;
}

function line({ from, name, text, at }) {
  if (from === 'note') return make('li', 'note', make('span', '', text));
  return make('li', from, make('small', '', `${name} · ${minute(at)}`), text);
}

function show() {
  const focused = document.activeElement?.dataset.tab;
  const all = [...chats, null];
  by('tabs').replaceChildren(...all.map(tab));
  if (focused !== undefined) by('tabs').querySelector(`[data-tab="${focused}"]`)?.focus();
  by('tabs').hidden = chats.length === 0;
  by('steps').hidden = chats.length > 0;
  by('prechat').hidden = current !== null;
  by('visitor-chat').hidden = current === null;
  if (!current) return;
  const route = routes.get(current.client.letter);
  by('visitor-about').replaceChildren(
    make('span', `badge ${route || ''}`, ROUTES[route] || 'not decided'),
    ` ${current.state === 'ended' ? 'over' : current.state}`,
  );
  showLines(by('visitor-lines'), current.lines.map(line));
  by('visitor-typing').textContent = current.typing ? `${current.typing} is typing…` : '';
  const over = current.state === 'ended';
  by('visitor-say').hidden = over;
  by('visitor-end').hidden = over;
  showLog(current);
}

function logged(entry) {
  const status = entry.status === null ? 'held …' : String(entry.status || 'failed');
  const parts = Object.entries(entry.headers).map(([name, value]) => `${name}: ${value}`);
  if (entry.body) parts.push('', JSON.stringify(entry.body, null, 1));
  const answer = entry.answer ? `\n\n⇐ ${status}\n${entry.answer}` : `\n\n⇐ ${status}`;
  const item = make('details', '');
  item.append(
    make('summary', '', make('b', '', `${entry.method} `), entry.path.slice(11),
      make('span', `status s${status[0]}`, status)),
    make('pre', '', parts.join('\n') + answer),
  );
  // Drawn anew with every answer: what was open stays open.
  item.open = Boolean(entry.open);
  item.ontoggle = () => { entry.open = item.open; };
  return make('li', '', item);
}

function showLog(chat) {
  by('log-count').textContent = `(${chat.client.log.length})`;
  showLines(by('log'), chat.client.log.slice(-LOG_SHOWN).map(logged));
}

function tell(action) {
  // What is refused shows in the raw log, and a chat that is over says so.
  action.catch(() => show());
}

function stopTyping(chat) {
  if (!typing) return;
  clearTimeout(typing);
  typing = null;
  tell(chat.client.typing(false));
}

function say(event) {
  event.preventDefault();
  const text = by('visitor-text').value.trim();
  if (!text || !current) return;
  by('visitor-text').value = '';
  stopTyping(current);
  const said = { from: 'me', name: current.name, text, at: now() };
  current.lines.push(said);
  const chat = current;
  chat.client.say(text).catch(() => {
    chat.lines.push({ from: 'note', text: 'not sent', at: now() });
    show();
  });
  show();
  by('visitor-lines').scrollTop = by('visitor-lines').scrollHeight;
}

/** Everything begins anew: nobody may ask the new bridge for an old chat. */
export function leaveAll() {
  for (const chat of chats) chat.client.leave();
}

/** Wires the visitor's side. */
export function startVisitor(state) {
  ids = state.ids;
  for (const { chat, route } of state.decisions) routes.set(chat, route);
  by('prechat').addEventListener('submit', start);
  by('visitor-say').addEventListener('submit', say);
  by('visitor-end').addEventListener('click', () => tell(current.client.end()));
  by('visitor-text').addEventListener('input', () => {
    const chat = current;
    if (typing) clearTimeout(typing);
    else tell(chat.client.typing(true));
    typing = setTimeout(() => stopTyping(chat), TYPING_STOPS_AFTER_MS);
  });
  suggest();
  show();
}
