// The guided tour: seven steps, each runs a scenario and says what there is to see.

import { count } from './board.js';
import { by, until } from './dom.js';
import {
  agents, conversation, kill, miawOutage, ramp, run, startOver, tellTo,
} from './scenarios.js';
import { moveTo } from './timeline.js';
import { sayIn, select } from './visitor.js';

/** The tour begins in a fresh world. */
export const TOUR = 'tour';

let first = null;
let second = null;

const STEPS = [
  {
    title: 'A bot that nobody rewrote',
    words: 'It is the day before Salesforce removes legacy chat. The visitor on the left speaks the '
      + 'legacy API; the bridge in the middle relays every request to Live Agent, byte for byte.',
    at: ['visitor', 'bridge'],
    async plays() {
      await agents(true);
      first = await conversation('Where is my order?');
    },
  },
  {
    title: 'A gentle start',
    words: 'The tenant is put on a ramp: half of the new chats go to MIAW. Twenty visitors come at '
      + 'once; each chip is a chat, on the backend that was decided for it.',
    at: ['bridge'],
    plays: () => ramp(),
  },
  {
    title: 'The margin',
    words: 'An hour before the removal, new chats go to MIAW, so that no chat is cut in the middle. '
      + 'Those that run stay where they are, on both backends.',
    at: ['clock', 'bridge'],
    async plays() {
      await moveTo('inside');
      second = await conversation('My invoice is wrong.');
      if (first.state !== 'ended') await sayIn(first, 'I am still on Live Agent.');
    },
  },
  {
    title: 'The removal',
    words: 'Live Agent is gone. Its chats end with one ChatEnded, as clients know it; those on MIAW '
      + 'do not notice. A clock set back would not bring legacy back.',
    at: ['clock', 'bridge'],
    async plays() {
      await moveTo('removal');
      await until('the end of legacy chats',
        () => count('legacy') === count('legacy', 'ended'), 40000);
      select(second);
      await sayIn(second, 'And I am still here.');
    },
  },
  {
    title: 'Killed in mid-chat',
    words: 'The bridge is killed while the visitor writes, and built again from its store. What was '
      + 'answered OK is on disk; what was not is sent again by the client.',
    at: ['bridge', 'visitor'],
    plays: () => kill(),
  },
  {
    title: 'MIAW is down',
    words: 'Now Salesforce itself refuses for some seconds. The visitor gets an OK, because the '
      + 'bridge keeps the message and delivers it once when MIAW is back.',
    at: ['visitor', 'desk'],
    plays: () => miawOutage(),
  },
  {
    title: 'Today',
    words: 'The clock is at the real today. The same client, unchanged, chats through MIAW. Next: '
      + 'read the dry run of this page’s form, open the console, or drag the clock yourself.',
    at: ['clock', 'scenes'],
    async plays() {
      await moveTo('today');
      await conversation('Does my bot still work?');
    },
  },
];

let at = -1;

/** Where the columns do not fit beside each other, what a step is about is scrolled to. */
const NARROW = '(max-width: 68rem)';

function light(names) {
  for (const one of document.querySelectorAll('.lit')) one.classList.remove('lit');
  for (const name of names) by(name).classList.add('lit');
  const column = names.find((name) => by(name).closest('main'));
  if (column && window.matchMedia(NARROW).matches) by(column).scrollIntoView({ block: 'start' });
}

async function step(next) {
  at = next;
  const { title, words, at: names, plays } = STEPS[at];
  const last = at === STEPS.length - 1;
  by('tour-count').textContent = `Step ${at + 1} of ${STEPS.length}`;
  by('tour-title').textContent = title;
  by('tour-words').textContent = words;
  by('tour-said').textContent = '';
  by('tour-bar').max = STEPS.length;
  by('tour-bar').value = at + 1;
  by('tour-next').textContent = last ? 'Done' : 'Next';
  by('tour-next').setAttribute('aria-disabled', 'true');
  by('tour').dataset.playing = 'yes';
  light(names);
  by('tour-title').focus({ preventScroll: true });
  await run(plays);
  by('tour').dataset.playing = 'no';
  by('tour-next').removeAttribute('aria-disabled');
}

function show(on) {
  by('tour').hidden = !on;
  by('scenes').hidden = on;
  document.body.classList.toggle('touring', on);
}

function leave() {
  at = -1;
  light([]);
  show(false);
  tellTo(by('said'));
  by('tour-start').focus();
}

function begin() {
  show(true);
  tellTo(by('tour-said'));
  step(0);
}

/** Wires the tour; begins it when everything has begun anew for it. */
export function startTour(pending) {
  const anew = () => {
    if (by('tour-start').hasAttribute('aria-disabled') && at === -1) return;
    startOver(TOUR);
  };
  by('tour-start').addEventListener('click', anew);
  by('tour-again').addEventListener('click', () => startOver(TOUR));
  by('tour-skip').addEventListener('click', leave);
  by('tour-next').addEventListener('click', () => {
    if (by('tour-next').hasAttribute('aria-disabled')) return;
    if (at === STEPS.length - 1) leave();
    else step(at + 1);
  });
  by('tour').addEventListener('keydown', ({ key }) => { if (key === 'Escape') leave(); });
  if (pending === TOUR) begin();
}
