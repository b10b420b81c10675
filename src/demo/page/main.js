// Starts the page and tells every part of it what happens.

import { chatIs, startBoard } from './board.js';
import { by } from './dom.js';
import { autoIs, deskChanged, startDesk } from './desk.js';
import { outageIs, startOver, startScenarios } from './scenarios.js';
import { answered, routeCame, rowCame, startSequence } from './sequence.js';
import { setTheme, theme } from './theme.js';
import { clockWas, startClock } from './timeline.js';
import { startTour } from './tour.js';
import { leaveAll, routeIs, startVisitor } from './visitor.js';

/** Where the console looks for its token. */
const TOKEN = 'liveagent-bridge-token';

let up = null;

function bridgeIs({ up: runs }) {
  const state = by('bridge-state');
  const again = up === false && runs;
  up = runs;
  state.className = `badge ${runs ? 'good' : 'bad'}`;
  state.textContent = runs ? 'running' : 'killed';
  if (again) state.textContent = 'running again';
  by('bridge').classList.toggle('down', !runs);
}

// Events that came while a state was asked for: they may be newer than it.
let waiting = null;
let asked = Promise.resolve();

const happened = {
  chat: chatIs,
  decision({ chat, route }) {
    routeIs();
    routeCame(chat, route);
  },
  wire: rowCame,
  answered,
  clock: clockWas,
  bridge: bridgeIs,
  outage({ on }) {
    outageIs(on);
    document.body.classList.toggle('outage', on);
  },
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
    startClock(state);
    autoIs(state.auto);
    startBoard(state);
    startSequence(state);
    bridgeIs(state.bridge);
    happened.outage({ on: state.outage });
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
  return new Promise((resolve) => { events.addEventListener('hello', resolve, { once: true }); });
}

/** The console opens in a tab of its own, signed in: it is on the same address. */
async function openConsole(event) {
  event.preventDefault();
  const { token } = await (await fetch('/demo/console')).json();
  sessionStorage.setItem(TOKEN, token);
  window.open('/console/', '_blank');
}

by('restart').addEventListener('click', () => {
  leaveAll();
  // The page may be gone before the answer comes.
  startOver();
});
by('console').addEventListener('click', openConsole);
by('theme').value = theme();
by('theme').addEventListener('change', () => setTheme(by('theme').value));
startDesk();
startVisitor(await getState());
await listen();
startTour(startScenarios());
document.body.dataset.ready = 'yes';
