// All chats at a glance: one chip each, by the backend it is on. A click shows that chat alone in
// the sequence.

import { by, make, roving, ROUTES } from './dom.js';

const PHASES = { waiting: 'waiting for an agent', active: 'with an agent', ended: 'over' };

const chats = new Map();
let picked = '';
let drawing = false;

/** The route of a chat, once it is decided. */
export const routeOf = (letter) => chats.get(letter)?.route;
/** How many chats there are on a route, in a phase. */
export const count = (route, phase) => [...chats.values()]
  .filter((one) => one.route === route && (!phase || one.phase === phase)).length;
/** The letters of all chats, oldest first. */
export const letters = () => [...chats.keys()];

/** A chat began or changed. */
export function chatIs({ chat, route, phase }) {
  chats.set(chat, { route, phase });
  draw();
}

/** The sequence shows this chat alone, or all. */
export function pickedIs(letter) {
  picked = letter;
  draw();
}

function dot([letter, { route, phase }]) {
  const made = make('button', `chip ${route} ${phase}`, letter);
  made.type = 'button';
  made.dataset.key = letter;
  made.title = `Chat ${letter}: ${ROUTES[route]}, ${PHASES[phase]}`;
  made.setAttribute('aria-label', made.title);
  made.setAttribute('aria-pressed', String(letter === picked));
  made.onclick = () => document.dispatchEvent(
    new CustomEvent('pick', { detail: letter === picked ? '' : letter }));
  return made;
}

function lane(route) {
  const mine = [...chats].filter(([, chat]) => chat.route === route);
  const running = mine.filter(([, chat]) => chat.phase !== 'ended').length;
  const over = mine.length - running;
  const head = make('p', `lane-head ${route}`, make('b', '', ROUTES[route]),
    make('span', 'number', String(running)), make('small', '', over ? `running, ${over} over` : 'running'));
  return make('div', 'lane', head, make('div', 'dots', ...mine.map(dot)));
}

function show() {
  drawing = false;
  const board = by('board');
  const focused = document.activeElement?.closest('#board') && document.activeElement.dataset.key;
  board.replaceChildren(lane('legacy'), lane('miaw'));
  roving(board, '.dots button', focused);
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(show);
}

/** Shows the chats of a state. */
export function startBoard(state) {
  chats.clear();
  for (const chat of state.chats) chatIs(chat);
  draw();
}
