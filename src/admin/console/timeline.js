// A plan as a picture. The calendar beside it says the same in words.

import { s } from './dom.js';
import { day, instant, tone } from './words.js';

const WIDTH = 1000;
const LEFT = 92;
const RIGHT = 984;
const [FILE_Y, ROUTE_Y, BAR] = [22, 64, 30];
const HEIGHT = 176;
/** Some room before and after what happens. */
const ROOM = 0.06;
/** A label needs this much room; the next one moves to another line. */
const LABEL = 150;

/** Stages by instant as the file declares them; auto is legacy until the last call. */
function declared(file) {
  if (!file.hasLegacy) return [{ at: -Infinity, stage: 'miaw' }];
  const first = { at: -Infinity, stage: 'legacy' };
  if (!file.steps.length) return [first, { at: Date.parse(file.lastCall), stage: 'miaw' }];
  return [first, ...file.steps.map((step) => ({ at: Date.parse(step.at), stage: step.stage }))];
}

/** `other` is the calendar of the last chat that a ramp takes: where both differ, chats are shared. */
export function timeline(plan, other, now) {
  const { file } = plan;
  const at = (text) => Date.parse(text);
  const marks = [at(now), at(file.removal), at(file.lastCall), at(plan.legacyEnds), at(plan.at),
    ...file.steps.map((step) => at(step.at)), ...plan.ahead.map(at), ...plan.standing.brownouts.map((one) => at(one.from))];
  const [least, most] = [Math.min(...marks), Math.max(...marks)];
  const room = Math.max((most - least) * ROOM, 3_600_000);
  const [begin, end] = [least - room, most + room];
  const x = (millis) => LEFT + ((Math.min(Math.max(millis, begin), end) - begin) / (end - begin)) * (RIGHT - LEFT);
  const text = (px, py, words, name, anchor = 'start') => s('text', { x: px, y: py, class: name, 'text-anchor': anchor }, words);

  /** Coloured spans from one instant to the next. */
  const spans = (all, y) => all.flatMap((one, index) => {
    const [from, to] = [x(one.at), x(index + 1 < all.length ? all[index + 1].at : end)];
    if (to - from < 0.5) return [];
    const fits = to - from > one.text.length * 7.6 + 12;
    return [s('rect', { x: from, y, width: to - from, height: BAR, rx: 4, class: `span ${one.tone}` }, s('title', {}, `${one.text} from ${one.at === -Infinity ? 'the start' : instant(one.at)}`)),
      fits ? text((from + to) / 2, y + 20, one.text, `on-span ${one.tone}`, 'middle') : null];
  });
  const files = declared(file).map((one) => ({ ...one, text: one.stage, tone: tone(one.stage) }));
  const rows = plan.calendar.map((row, index) => {
    const last = other[index];
    const both = last && last.at === row.at && last.route !== row.route;
    return { at: at(row.at), route: both ? 'both' : row.route };
  });
  const routes = rows.filter((row, index) => index === 0 || rows[index - 1].route !== row.route);
  const words = { legacy: 'Live Agent', miaw: 'MIAW', refused: 'refused', both: 'shared' };
  const tones = { legacy: 'legacy', miaw: 'miaw', refused: 'bad', both: 'ramp' };
  // The calendar follows what holds at the instant looked at; the past before it was another's.
  const asked = at(plan.at);
  const held = routes.filter((row, index) => index + 1 === routes.length || routes[index + 1].at > asked);
  const answers = held.map((row) => ({ at: Math.max(row.at, asked), text: words[row.route], tone: tones[row.route] }));
  if (answers.length) answers[0].at = asked;
  answers.unshift({ at: -Infinity, text: 'see the history', tone: 'past' });

  const labels = [
    { at: at(file.lastCall), text: 'last legacy start', name: 'margin' },
    { at: at(file.removal), text: `removal ${day(file.removal)}`, name: 'removal' },
    { at: at(now), text: `now, ${day(now)}`, name: 'now' },
    ...(plan.at !== now && Math.abs(at(plan.at) - at(now)) > 60_000 ? [{ at: at(plan.at), text: `looked at, ${day(plan.at)}`, name: 'looked' }] : []),
    ...file.steps.slice(0, 6).map((step) => ({ at: at(step.at), text: `${step.stage}, ${day(step.at)}`, name: 'step' })),
  ].sort((a, b) => a.at - b.at);
  const rowsUsed = [];
  const markers = labels.flatMap((one) => {
    const px = x(one.at);
    const late = px > WIDTH - LABEL - 40;
    const [from, to] = late ? [px - one.text.length * 7.4, px] : [px, px + one.text.length * 7.4];
    let line = rowsUsed.findIndex((until) => until + 10 < from);
    if (line < 0) line = Math.min(rowsUsed.length, 3);
    rowsUsed[line] = to;
    const y = 112 + line * 17;
    return [s('line', { x1: px, x2: px, y1: 8, y2: y + 4, class: `mark ${one.name}` }),
      text(late ? px - 5 : px + 5, y, one.text, `label ${one.name}`, late ? 'end' : 'start')];
  });
  const margin = s('rect', { x: x(at(file.lastCall)), y: 14, width: Math.max(2, x(at(file.removal)) - x(at(file.lastCall))), height: 88, class: 'margin-band' }, s('title', {}, 'The margin: legacy starts no more chats'));
  const windows = [...file.brownouts, ...plan.standing.brownouts].map((one) => s('rect', {
    x: x(at(one.from)), y: ROUTE_Y - 4, width: Math.max(3, x(at(one.until)) - x(at(one.from))), height: BAR + 8, class: 'brownout',
  }, s('title', {}, `Brown-out from ${instant(one.from)} until ${instant(one.until)}`)));
  const said = `${labels.map((one) => `${one.text}: ${instant(one.at)}`).join('; ')}. New chats: ${answers.slice(1).map((one) => one.text).join(', then ')}.`;
  return s('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'timeline', role: 'img', 'aria-label': `The plan in time. ${said}` },
    text(0, FILE_Y + 20, 'The file', 'lane'), text(0, ROUTE_Y + 20, 'New chats', 'lane'),
    margin, spans(files, FILE_Y), spans(answers, ROUTE_Y), windows, markers);
}
