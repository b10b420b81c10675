// Starts the page, and shows what the bridge decides and what passes it.

import { by, chip, make, post, ROUTES, second, shortDay } from './dom.js';
import { autoIs, deskChanged, startDesk } from './desk.js';
import { clockWas, startClock } from './timeline.js';
import { leaveAll, routeIs, startVisitor } from './visitor.js';

const ROWS_SHOWN = 200;

let decisions = [];
let rows = [];
let drawing = false;

const routeOf = (letter) => decisions.find((one) => one.chat === letter)?.route;

function decided({ chat, at, route, because }) {
  const when = Date.parse(at);
  return make('li', route,
    chip(chat, route),
    make('p', '',
      make('small', '', `${shortDay(when)} ${new Date(when).getUTCFullYear()}, ${second(when)}`),
      make('b', '', `Chat ${chat} goes to ${ROUTES[route]}`),
      make('span', 'because', `${because[0].toUpperCase()}${because.slice(1)}.`)));
}

function showDecisions() {
  const newest = decisions.slice().reverse().map(decided);
  const empty = make('li', 'empty', 'No chat has started yet. Start one on the left.');
  by('decisions').replaceChildren(...(newest.length ? newest : [empty]));
  const select = by('wire-chat');
  for (const { chat } of decisions.slice(select.options.length - 1)) {
    select.append(new Option(`chat ${chat}`, chat));
  }
}

/** One arrow: left half between client and bridge, right half between bridge and Salesforce. */
function arrow({ chat, at, from, to, what }) {
  const outer = [from, to].find((party) => party !== 'bridge');
  const half = outer === 'client' ? 'left' : 'right';
  const toRight = half === 'left' ? from === 'client' : from === 'bridge';
  const tone = outer === 'client' ? '' : outer;
  const item = make('li', `${half} ${tone} ${toRight ? 'forth' : 'back'}`,
    chip(chat, routeOf(chat)), make('span', 'what', make('span', '', what)));
  item.title = `${second(Date.parse(at))}  ${from} → ${to}: ${what}`;
  return item;
}

function showWire() {
  drawing = false;
  const list = by('wire');
  const wanted = by('wire-chat').value;
  const shown = rows.filter((row) => !wanted || row.chat === wanted).slice(-ROWS_SHOWN);
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 48;
  const empty = make('li', 'empty', 'Every message in and out appears here, without its content.');
  list.replaceChildren(...(shown.length ? shown.map(arrow) : [empty]));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function drawWire() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(showWire);
}

// Events that came while a state was asked for: they may be newer than it.
let waiting = null;
let asked = Promise.resolve();

const happened = {
  decision(decision) {
    if (routeOf(decision.chat)) return;
    decisions.push(decision);
    routeIs(decision.chat, decision.route);
    showDecisions();
  },
  wire(row) {
    if (rows.length && row.number <= rows.at(-1).number) return;
    rows.push(row);
    if (rows.length > 2 * ROWS_SHOWN) rows.splice(0, ROWS_SHOWN);
    drawWire();
  },
  clock: clockWas,
  desk: deskChanged,
  agents: ({ auto }) => autoIs(auto),
  restart() {
    leaveAll();
    window.location.reload();
  },
};

async function ask() {
  waiting = [];
  try {
    const state = await (await fetch('/demo/state')).json();
    ({ decisions, wire: rows } = state);
    startClock(state);
    autoIs(state.auto);
    for (const { chat, route } of decisions) routeIs(chat, route);
    showDecisions();
    drawWire();
    deskChanged();
    return state;
  } finally {
    const came = waiting;
    waiting = null;
    for (const [name, data] of came) happened[name](data);
  }
}

/** One state after the other, each with what happened while it was asked for. */
function getState() {
  asked = asked.then(ask, ask);
  return asked;
}

function listen() {
  const events = new EventSource('/demo/events');
  // Also after a gap: what was missed is in the state.
  events.addEventListener('hello', getState);
  for (const name of Object.keys(happened)) {
    events.addEventListener(name, ({ data }) => {
      if (waiting) waiting.push([name, JSON.parse(data)]);
      else happened[name](JSON.parse(data));
    });
  }
}

by('restart').addEventListener('click', () => {
  leaveAll();
  // The page may be gone before the answer comes.
  post('/demo/restart').catch(() => {});
});
by('wire-chat').addEventListener('change', drawWire);
startDesk();
startVisitor(await getState());
listen();
