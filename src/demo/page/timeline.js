// The simulated clock: three zones of very different lengths share one slider.

import { by, day, make, minute, post, second, shortDay } from './dom.js';

// Where the zones end on the slider; the margin is hours among months.
const MARGIN_AT = 400;
const REMOVAL_AT = 600;
const END = 1000;
const HOUR = 3600 * 1000;
const TICK_MS = 250;

const ZONES = {
  legacy: 'New chats go to Live Agent.',
  margin: 'New chats go to MIAW, running ones stay where they are.',
  after: 'Live Agent is gone, its chats are over. Everything goes to MIAW.',
};
const SET_BACK = 'The removal was seen: a clock set back does not undo it. Start over instead.';

let times = null;
let base = 0;
let since = 0;
let dragging = false;
let wasRemoved = false;

/** The simulated now, in milliseconds. */
export const now = () => base + (performance.now() - since);

/** Whether the legacy service is gone: a clock set back does not bring it back. */
export const removed = () => wasRemoved || (times !== null && now() >= times.removal);

const points = () => [
  [0, times.begin], [MARGIN_AT, times.lastCall], [REMOVAL_AT, times.removal], [END, times.today],
];

function toMillis(position) {
  const all = points();
  const next = Math.max(1, all.findIndex(([at]) => position <= at));
  const [[from, first], [to, last]] = [all[next - 1], all[next]];
  return Math.round(first + ((position - from) / (to - from)) * (last - first));
}

function toPosition(millis) {
  const all = points();
  const found = all.findIndex(([, at]) => millis < at);
  const next = found === -1 ? all.length - 1 : Math.max(1, found);
  const [[from, first], [to, last]] = [all[next - 1], all[next]];
  return from + ((millis - first) / (last - first)) * (to - from);
}

function zone(millis) {
  if (millis < times.lastCall) return 'legacy';
  return millis < times.removal ? 'margin' : 'after';
}

function show(millis) {
  by('now').textContent = `${shortDay(millis)} ${new Date(millis).getUTCFullYear()}, ${second(millis)}`;
  by('now').dateTime = new Date(millis).toISOString();
  const where = zone(millis);
  document.body.dataset.zone = where;
  const setBack = wasRemoved && where !== 'after';
  const text = setBack ? SET_BACK : ZONES[where];
  if (by('zone').textContent !== text) {
    by('zone').textContent = text;
    by('restart').classList.toggle('hint', setBack);
    document.dispatchEvent(new Event('zone'));
  }
  by('slider').setAttribute('aria-valuetext', `${day(millis)}, ${minute(millis)}, ${where}`);
}

function tick() {
  if (dragging) return;
  const millis = Math.min(now(), times.today + HOUR);
  by('slider').value = toPosition(millis);
  show(millis);
}

async function move(to) {
  const within = Math.max(times.begin, Math.min(to, times.today));
  clockWas(await post('/demo/clock', { to: within }));
}

const jumps = {
  before: () => times.lastCall - HOUR,
  inside: () => (times.lastCall + times.removal) / 2,
  removal: () => times.removal,
  today: () => times.today,
};

/** Moves the clock to a place that has a name. */
export const moveTo = (name) => move(jumps[name]());

/** The clock was set, here or elsewhere. */
export function clockWas(set) {
  base = set.now;
  since = performance.now();
  wasRemoved = set.removed;
  tick();
}

/** Shows the timeline of a state, once. */
export function startClock(state) {
  const first = times === null;
  times = state.timeline;
  clockWas(state.clock);
  const days = Math.abs(state.real.daysSinceRemoval);
  const gone = state.real.daysSinceRemoval >= 0;
  by('banner').replaceChildren(...gone
    ? ['Salesforce removed legacy chat on ', make('b', '', day(times.removal)), ', ',
      make('b', '', `${days} days ago`), '.']
    : ['Salesforce removes legacy chat on ', make('b', '', day(times.removal)), ', in ',
      make('b', '', `${days} days`), '.']);
  by('mark-begin').textContent = shortDay(times.begin);
  by('mark-margin').textContent = `${shortDay(times.lastCall)}, ${minute(times.lastCall)}`;
  by('mark-removal').textContent = `${shortDay(times.removal)}, ${minute(times.removal)}`;
  by('mark-today').textContent = `today, ${shortDay(times.today)}`;
  if (!first) return;
  const slider = by('slider');
  // While it is dragged only the reading follows: a clock once past the removal stays past it.
  slider.addEventListener('input', () => {
    dragging = true;
    show(toMillis(Number(slider.value)));
  });
  slider.addEventListener('change', async () => {
    dragging = false;
    await move(toMillis(Number(slider.value)));
  });
  for (const button of document.querySelectorAll('[data-jump]')) {
    button.addEventListener('click', () => moveTo(button.dataset.jump));
  }
  setInterval(tick, TICK_MS);
}
