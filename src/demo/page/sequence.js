// What passes the bridge as a sequence picture: lanes for client, bridge and both backends. Each
// row opens to the raw request and answer.

import { letters, pickedIs, routeOf } from './board.js';
import { by, chip, make, pretty, roving, ROUTES, second, shortDay } from './dom.js';

const ROWS_SHOWN = 1200;
/** How near the end counts as the end, in pixels. */
const AT_END = 48;

/** number → { row, item } */
const shown = new Map();
let fresh = [];
let last = 0;

/** A method is left out where there is little room. */
const spelled = (text) => text.split(/^(GET |POST |DELETE |PUT |PATCH )/).filter(Boolean)
  .map((part) => (part.endsWith(' ') ? make('span', 'method', part) : part));
const words = (what) => what.split(', ').map((one) => one.replace(/^CONVERSATION_/, '')).join(', ');
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** Which lanes an arrow joins, and which way it points. */
function way({ from, to }) {
  const outer = [from, to].find((party) => party !== 'bridge');
  const right = outer === 'client' ? to === 'bridge' : from === 'bridge';
  return `${outer} ${right ? 'forth' : 'back'}`;
}

const statusOf = ({ status }) => (status
  ? make('i', `status s${String(status)[0]}`, String(status)) : null);

function arrow(row) {
  const when = second(Date.parse(row.at));
  const item = make('li', `arrow ${way(row)}`);
  const open = make('button', 'open',
    make('time', '', when), chip(row.chat, routeOf(row.chat)),
    make('span', 'area', make('span', 'what', make('span', 'words', ...spelled(words(row.what))), statusOf(row))));
  open.type = 'button';
  open.dataset.key = String(row.number);
  open.title = `${row.from} → ${row.to}: ${row.what}`;
  open.setAttribute('aria-expanded', 'false');
  open.setAttribute('aria-label', [when, row.chat && `chat ${row.chat}`,
    `${row.from} to ${row.to}: ${words(row.what)}`].filter(Boolean).join(', '));
  open.onclick = () => toggle(row, item, open);
  item.append(open);
  return item;
}

function decision(row) {
  const when = Date.parse(row.at);
  return make('li', `decision ${row.route}`, chip(row.chat, row.route),
    make('p', '',
      make('small', '', `${shortDay(when)} ${new Date(when).getUTCFullYear()}, ${second(when)}`),
      make('b', '', `Chat ${row.chat} goes to ${ROUTES[row.route]}`),
      make('span', 'because', sentence(row.what))));
}

/** The newest decision stays in sight. */
function latest(row) {
  by('latest').className = `latest ${row.route}`;
  by('latest').replaceChildren(chip(row.chat, row.route),
    make('span', '', make('b', '', `Chat ${row.chat} goes to ${ROUTES[row.route]}: `), `${row.what}.`));
}

function drawn(row) {
  if (row.route) {
    latest(row);
    return decision(row);
  }
  if (row.from === row.to) return make('li', 'event', make('span', '', row.what));
  return arrow(row);
}

async function toggle(row, item, open) {
  const there = item.querySelector('.raw');
  open.setAttribute('aria-expanded', String(!there));
  if (there) {
    there.remove();
    return;
  }
  const box = make('div', 'raw');
  item.append(box);
  const answer = await fetch(`/demo/raw?number=${row.number}`);
  const raw = answer.ok ? await answer.json() : {};
  const part = (title, text) => (text ? [make('h4', '', title), make('pre', '', pretty(text))] : []);
  const parts = [...part('Request', raw.request), ...part('Answer', raw.answer)];
  box.append(...(parts.length ? parts : [make('p', 'soft', 'No longer kept.')]));
  for (const pre of box.querySelectorAll('pre')) pre.tabIndex = 0;
  item.scrollIntoView({ block: 'nearest' });
  if (item.offsetHeight > by('wire').clientHeight) item.scrollIntoView({ block: 'start' });
}

const wanted = (row) => {
  const chat = by('wire-chat').value;
  return !chat || !row.chat || row.chat === chat;
};

function add() {
  const list = by('wire');
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < AT_END;
  list.querySelector('.empty')?.remove();
  for (const row of fresh) {
    const item = drawn(row);
    item.hidden = !wanted(row);
    shown.set(row.number, { row, item });
    list.append(item);
  }
  fresh = [];
  for (const [number, { item }] of shown) {
    if (shown.size <= ROWS_SHOWN) break;
    item.remove();
    shown.delete(number);
  }
  roving(list, 'li:not([hidden]) > .open');
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** A row of the wire. */
export function rowCame(row) {
  if (row.number <= last) return;
  last = row.number;
  fresh.push(row);
  if (fresh.length === 1) requestAnimationFrame(add);
}

/** The answer to a row's request came. */
export function answered({ number, status }) {
  const waiting = fresh.find((row) => row.number === number);
  if (waiting) waiting.status = status;
  const { row, item } = shown.get(number) || {};
  if (!row || row.status === status) return;
  row.status = status;
  item.querySelector('.what').append(statusOf(row));
}

/** A decision gave a chat its route: its chips get their color. */
export function routeCame(letter, route) {
  for (const { row, item } of shown.values()) {
    if (row.chat === letter) item.querySelector('.chip').classList.add(route);
  }
  options();
}

function options() {
  const select = by('wire-chat');
  for (const letter of letters().slice(select.options.length - 1)) {
    select.append(new Option(`chat ${letter}`, letter));
  }
}

function filter() {
  const list = by('wire');
  for (const { row, item } of shown.values()) item.hidden = !wanted(row);
  pickedIs(by('wire-chat').value);
  roving(list, 'li:not([hidden]) > .open');
  list.scrollTop = list.scrollHeight;
}

/** Shows the rows of a state. */
export function startSequence(state) {
  options();
  if (!shown.size && !state.wire.length) {
    const text = 'Every message in and out appears here. Start a chat, or press a scenario.';
    by('wire').replaceChildren(make('li', 'empty', text));
  }
  for (const row of state.wire) {
    rowCame(row);
    if (row.status) answered(row);
  }
}

by('wire-chat').addEventListener('change', filter);
// Whoever presses a scenario wants to see it.
document.addEventListener('follow', () => { by('wire').scrollTop = by('wire').scrollHeight; });
document.addEventListener('pick', ({ detail }) => {
  by('wire-chat').value = detail;
  filter();
});
