// The agents' side: both services, one desk. It asks the emulators' desk again at each change.

import { by, chip, make, minute, post, ROUTES, showLines } from './dom.js';
import { removed } from './timeline.js';

const TYPING_STOPS_AFTER_MS = 3000;
const ROUTE = { liveagent: 'legacy', miaw: 'miaw' };

let chats = [];
let current = null;
let typing = null;
let asking = false;
let askAgain = false;

/** Something changed at the desk. */
export async function deskChanged() {
  if (asking) { askAgain = true; return; }
  asking = true;
  try {
    do {
      askAgain = false;
      const answer = await fetch('/desk/chats');
      chats = (await answer.json()).chats;
      show();
    } while (askAgain);
  } finally {
    asking = false;
  }
}

/** The agents act by themselves, or no longer. */
export function autoIs(auto) { by('auto').checked = auto; }

/** The newest chat of a visitor of that name that is not over, or any. */
export const deskChat = (visitor) => chats.findLast((chat) => chat.visitor === visitor
  && !stateOf(chat).startsWith('over'));

/** Shows a visitor's chat. */
export function showAtDesk(visitor) {
  const chat = deskChat(visitor);
  if (chat && chat.id !== current) select(chat.id);
}

/** Does something as the agent of that chat. */
export const asAgent = (chat, action, body) => post(
  `/desk/chats/${encodeURIComponent(chat.id)}/${action}`, body);

async function act(id, action, body) {
  try {
    await post(`/desk/chats/${encodeURIComponent(id)}/${action}`, body);
    by('agent-problem').textContent = '';
  } catch (error) {
    by('agent-problem').textContent = error.message;
  }
}

/** A chat's state in words; the desk itself does not know that its service was removed. */
function stateOf(chat) {
  if (chat.state === 'ended') return 'over';
  if (chat.service === 'liveagent' && removed()) return 'over: Live Agent was removed';
  if (chat.state === 'waiting') return 'waiting';
  return `with ${chat.agent.name}`;
}

const isLive = (chat) => chat.state === 'active' && !stateOf(chat).startsWith('over');

function queued(chat) {
  const waiting = chat.state === 'waiting' && !stateOf(chat).startsWith('over');
  const open = make('button', 'open',
    chip('', ROUTE[chat.service]),
    make('span', '', make('b', '', chat.visitor), make('small', '', stateOf(chat))));
  open.type = 'button';
  open.dataset.chat = chat.id;
  open.setAttribute('aria-current', String(chat.id === current));
  open.onclick = () => select(chat.id);
  const item = make('li', waiting ? 'waiting' : chat.state, open);
  if (waiting) {
    const accept = make('button', 'small', 'Accept');
    accept.type = 'button';
    accept.dataset.accept = chat.id;
    accept.setAttribute('aria-label', `Accept the chat of ${chat.visitor}`);
    accept.onclick = async () => {
      current = chat.id;
      await act(chat.id, 'accept');
      by('agent-text').focus();
    };
    item.append(accept);
  }
  return item;
}

function select(id) {
  current = id;
  by('agent-text').value = '';
  show();
  by('agent-lines').scrollTop = by('agent-lines').scrollHeight;
}

function show() {
  if (!chats.some((chat) => chat.id === current)) current = null;
  if (!current && chats.length) current = chats[chats.length - 1].id;
  const { chat: focused, accept } = document.activeElement?.dataset || {};
  const rows = chats.slice().reverse().map(queued);
  const empty = make('li', 'empty', 'No chats yet. Visitors of both services appear here.');
  by('queue').replaceChildren(...(rows.length ? rows : [empty]));
  const again = focused ? `[data-chat="${CSS.escape(focused)}"]`
    : accept && `[data-accept="${CSS.escape(accept)}"]`;
  if (again) by('queue').querySelector(again)?.focus();
  const chat = chats.find((one) => one.id === current);
  by('agent-chat').hidden = !chat;
  if (chat) showChat(chat);
}

function showChat(chat) {
  const route = ROUTE[chat.service];
  by('agent-about').replaceChildren(
    make('span', `badge ${route}`, ROUTES[route]), ` ${stateOf(chat).replace(/^with /, '')}`);
  for (const id of ['agent-say', 'agent-end', 'agent-transfer']) by(id).hidden = !isLive(chat);
  by('agent-attributes').replaceChildren(...chat.attributes.flatMap(([name, value]) => [
    make('dt', '', name), make('dd', '', value),
  ]));
  showLines(by('agent-lines'), chat.lines.map((line) => make(
    'li', { agent: 'me', visitor: 'them' }[line.from] || 'note',
    make('small', '', `${line.name} · ${minute(line.at)}`), line.text,
  )));
  by('agent-typing').textContent = chat.visitorTyping ? `${chat.visitor} is typing…` : '';
}

function stopTyping(id) {
  if (!typing) return;
  clearTimeout(typing);
  typing = null;
  act(id, 'typing', { on: false });
}

async function say(event) {
  event.preventDefault();
  const text = by('agent-text').value.trim();
  if (!text || !current) return;
  const id = current;
  by('agent-text').value = '';
  await act(id, 'say', { text });
  stopTyping(id);
}

/** Wires the agents' side. */
export function startDesk() {
  by('agent-say').addEventListener('submit', say);
  by('agent-end').addEventListener('click', () => act(current, 'end'));
  by('agent-transfer').addEventListener('click', () => act(current, 'transfer'));
  by('auto').addEventListener('change', () => post('/demo/agents', { auto: by('auto').checked }));
  by('agent-text').addEventListener('input', () => {
    const id = current;
    if (typing) clearTimeout(typing);
    else act(id, 'typing', { on: true });
    typing = setTimeout(() => stopTyping(id), TYPING_STOPS_AFTER_MS);
  });
  document.addEventListener('zone', show);
  show();
}
