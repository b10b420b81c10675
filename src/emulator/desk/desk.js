'use strict';

// The page shows what GET chats says and asks again whenever GET events names a change.
const by = (id) => document.getElementById(id);
const TYPING_STOPS_AFTER_MS = 3000;
const names = { liveagent: 'Live Agent', miaw: 'MIAW' };
let chats = [];
let current = null;
let typing = null;
let asking = false;
let askAgain = false;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

async function refresh() {
  if (asking) { askAgain = true; return; }
  asking = true;
  try {
    chats = (await (await fetch('chats')).json()).chats;
    show();
  } finally {
    asking = false;
    if (askAgain) { askAgain = false; refresh(); }
  }
}

async function act(action, body) {
  if (!current) return;
  const answer = await fetch(`chats/${encodeURIComponent(current)}/${action}`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body || {}),
  });
  by('problem').textContent = answer.ok ? '' : await answer.text();
  if (answer.ok) refresh();
}

function show() {
  by('none').hidden = chats.length > 0;
  const focused = document.activeElement && document.activeElement.dataset.chat;
  by('chats').replaceChildren(...chats.slice().reverse().map(listed));
  if (focused) document.querySelector(`[data-chat="${CSS.escape(focused)}"]`)?.focus();
  const waiting = chats.filter((chat) => chat.state === 'waiting').length;
  document.title = waiting ? `(${waiting}) Agent desk` : 'Agent desk';
  const chat = chats.find((one) => one.id === current);
  by('chat').hidden = !chat;
  by('empty').hidden = Boolean(chat);
  if (chat) showChat(chat);
}

function listed(chat) {
  const item = element('li');
  const button = element('button', '', chat.visitor);
  button.type = 'button';
  button.dataset.chat = chat.id;
  button.setAttribute('aria-current', String(chat.id === current));
  const last = chat.lines.length ? chat.lines[chat.lines.length - 1].text : '';
  button.append(element('small', '', `${names[chat.service]} · ${chat.state}`));
  button.append(element('small', '', last.length > 40 ? `${last.slice(0, 40)}…` : last));
  button.onclick = () => { current = chat.id; show(); by('text').focus(); };
  item.append(button);
  return item;
}

function showChat(chat) {
  by('visitor').textContent = chat.visitor;
  const who = chat.agent ? ` · with ${chat.agent.name}` : '';
  const end = chat.endedBy ? ` by ${chat.endedBy}` : '';
  by('about').textContent = `${names[chat.service]} · ${chat.state}${end}${who} · ${chat.id}`;
  const active = chat.state === 'active';
  const waiting = chat.state === 'waiting';
  for (const id of ['accept', 'decline', 'queue']) by(id).hidden = !waiting;
  for (const id of ['transfer', 'end', 'say']) by(id).hidden = !active;
  by('prechat').hidden = chat.attributes.length === 0;
  by('attributes').replaceChildren(...chat.attributes.flatMap(([name, value]) => [
    element('dt', '', name), element('dd', '', value),
  ]));
  const lines = by('lines');
  const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  lines.replaceChildren(...chat.lines.map((line) => {
    const item = element('li', line.from, line.text);
    const at = new Date(line.at).toLocaleTimeString();
    item.prepend(element('small', '', `${line.name} · ${at}`));
    return item;
  }));
  if (atEnd) lines.scrollTop = lines.scrollHeight;
  by('typing').textContent = chat.visitorTyping ? `${chat.visitor} is typing…` : '';
}

function stopTyping() {
  if (typing) {
    clearTimeout(typing);
    typing = null;
    act('typing', { on: false });
  }
}

by('accept').onclick = async () => { await act('accept'); by('text').focus(); };
by('decline').onclick = () => act('decline');
by('transfer').onclick = () => act('transfer');
by('end').onclick = () => act('end');
by('announce').onclick = () => act('queue', { position: Number(by('position').value) });
by('text').oninput = () => {
  if (typing) clearTimeout(typing); else act('typing', { on: true });
  typing = setTimeout(stopTyping, TYPING_STOPS_AFTER_MS);
};
by('text').onkeydown = (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    by('say').requestSubmit();
  }
};
by('say').onsubmit = async (event) => {
  event.preventDefault();
  const text = by('text').value;
  if (!text.trim()) return;
  by('text').value = '';
  await act('say', { text });
  stopTyping();
};

const events = new EventSource('events');
events.addEventListener('changed', refresh);
events.onopen = () => by('link').classList.add('on');
events.onerror = () => by('link').classList.remove('on');
