// The visitor's side: the pre-chat form, a tab for each chat, the raw log. Scenarios use it too.

import { LiveAgentClient } from './client.js';
import { routeOf } from './board.js';
import { by, chip, make, minute, pretty, ROUTES, showLines, until } from './dom.js';
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
  ['Frank', 'Ferrari', 'Do you ship abroad?'],
  ['Grace', 'Gomez', 'I forgot my password'],
  ['Henri', 'Huber', 'Is this in stock?'],
  ['Iris', 'Ito', 'My voucher does not work'],
];

const chats = [];
let ids = null;
let current = null;
let typing = null;

/** A decision gave a chat its route. */
export const routeIs = () => show();

/** The route of one of the visitor's chats. */
export const routeOfChat = (chat) => routeOf(chat.client.letter);

/** The chats that are not over, the shown one first. */
export function running() {
  const all = chats.filter((chat) => chat.state !== 'ended');
  return all.sort((one, other) => Number(other === current) - Number(one === current));
}

function suggestion() {
  const [firstName, lastName, subject] = PEOPLE[chats.length % PEOPLE.length];
  const email = `${firstName.toLowerCase()}.${lastName.toLowerCase()}@example.com`;
  return { firstName, lastName, email, subject };
}

function suggest() {
  const form = by('prechat').elements;
  for (const [name, value] of Object.entries(suggestion())) form[name].value = value;
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

/** Starts a chat, with the suggested form unless another one is given. */
export async function begin(prechat = suggestion()) {
  if (chats.filter((chat) => chat.state !== 'ended').length >= RUNNING_MAX) {
    throw new Error(`${RUNNING_MAX} chats are running; end one first.`);
  }
  const name = `${prechat.firstName} ${prechat.lastName}`;
  const chat = { name, state: 'waiting', lines: [], typing: '', draft: '' };
  chat.lines.push({ from: 'note', text: `Subject: ${prechat.subject}`, at: now() });
  chat.client = new LiveAgentClient('', ids, handlers(chat));
  await chat.client.start(prechat);
  chats.push(chat);
  select(chat);
  return chat;
}

/** Makes room for one more chat: the oldest one is ended by its visitor. */
export async function makeRoom() {
  const all = chats.filter((chat) => chat.state !== 'ended');
  if (all.length < RUNNING_MAX) return;
  const [oldest] = all;
  tell(oldest.client.end());
  await until('the end of the oldest chat', () => oldest.state === 'ended');
}

async function start(event) {
  event.preventDefault();
  const prechat = Object.fromEntries(new FormData(by('prechat')));
  by('prechat-problem').textContent = '';
  by('start').disabled = true;
  try {
    await begin(prechat);
    by('visitor-text').focus();
  } catch (error) {
    by('prechat-problem').textContent = `The chat did not start: ${error.message}`;
  } finally {
    by('start').disabled = false;
  }
}

/** Shows one of the visitor's chats. */
export function select(chat) {
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
    ? make('button', `tab ${chat.state}`, chip(letter, routeOf(letter)), ` ${chat.name}`)
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

const SENT = { sending: 'sending …', ok: 'answered OK', failed: 'not sent' };

function line({ from, name, text, at, sent }) {
  if (from === 'note') return make('li', 'note', make('span', '', text));
  const small = make('small', '', `${name} · ${minute(at)}`);
  if (sent) small.append(make('span', `sent ${sent}`, ` · ${SENT[sent]}`));
  return make('li', from, small, text);
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
  const route = routeOf(current.client.letter);
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
  const answer = `\n\n⇐ ${status}${entry.answer ? `\n${pretty(entry.answer)}` : ''}`;
  const item = make('details', '');
  item.append(
    make('summary', '', make('b', '', `${entry.method} `), make('span', 'path', entry.path.slice(11)),
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

/** Says something in a chat; the line tells whether it was answered OK. */
export async function sayIn(chat, text) {
  const said = { from: 'me', name: chat.name, text, at: now(), sent: 'sending' };
  chat.lines.push(said);
  const sent = chat.client.say(text);
  show();
  by('visitor-lines').scrollTop = by('visitor-lines').scrollHeight;
  try {
    await sent;
    said.sent = 'ok';
  } catch {
    said.sent = 'failed';
  }
  show();
  return said;
}

function say(event) {
  event.preventDefault();
  const text = by('visitor-text').value.trim();
  if (!text || !current) return;
  by('visitor-text').value = '';
  stopTyping(current);
  sayIn(current, text);
}

/** Everything begins anew: nobody may ask the new bridge for an old chat. */
export function leaveAll() {
  for (const chat of chats) chat.client.leave();
}

/** Wires the visitor's side. */
export function startVisitor(state) {
  ids = state.ids;
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
