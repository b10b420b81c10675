// The last hour as pictures, each with the same figures as a table.

import { h, put, s, table } from './dom.js';

const [WIDTH, HEIGHT, TOP, LEFT] = [560, 120, 8, 34];
/** Minutes on a picture. */
const MINUTES = 60;

/** A round number at or above the largest. */
function ceiling(most) {
  const step = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 5, 10].map((one) => one * step).find((one) => one >= most) || 1;
}

const figure = (value) => (value === null ? '–' : value.toLocaleString('en'));

/** Bars, one a minute, parts stacked; `parts` are [name, tone, value of a sample]. */
export function chart(title, samples, parts, unit) {
  const total = (one) => parts.reduce((sum, [, , value]) => sum + (value(one) || 0), 0);
  const most = Math.max(0, ...samples.map(total));
  const top = ceiling(most);
  const [bottom, step] = [HEIGHT - 18, (WIDTH - LEFT) / MINUTES];
  const y = (value) => bottom - (value / top) * (bottom - TOP);
  const bars = samples.flatMap((one, index) => {
    const x = WIDTH - (samples.length - index) * step;
    let sum = 0;
    return parts.map(([name, tone, value]) => {
      const from = y(sum);
      sum += value(one) || 0;
      const height = from - y(sum);
      return height > 0 ? s('rect', { x: x + 0.5, y: y(sum), width: step - 1, height, class: `bar ${tone}` }, s('title', {}, `${one.at.slice(11, 16)} UTC: ${figure(value(one))} ${name}`)) : null;
    });
  });
  const words = (px, py, text, anchor) => s('text', { x: px, y: py, 'text-anchor': anchor }, text);
  const last = samples.at(-1);
  const said = parts.map(([name, , value]) => `${figure(value(last))} ${name}`).join(', ');
  const picture = s('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img', 'aria-label': `${title} ${unit}, minute by minute: ${said} in the minute that runs; at most ${figure(most)} in the last hour. The table below has every figure.` },
    s('line', { x1: LEFT, x2: WIDTH, y1: y(top), y2: y(top), class: 'grid' }), s('line', { x1: LEFT, x2: WIDTH, y1: y(top / 2), y2: y(top / 2), class: 'grid' }),
    s('line', { x1: LEFT, x2: WIDTH, y1: bottom, y2: bottom, class: 'axis' }),
    words(LEFT - 6, y(top) + 4, figure(top), 'end'), words(LEFT - 6, bottom, '0', 'end'), words(LEFT, HEIGHT - 4, '60 min ago', 'start'), words(WIDTH, HEIGHT - 4, 'now', 'end'), bars);
  const legend = h('p', { class: 'legend' }, parts.map(([name, tone, value]) => h('span', {}, h('span', { class: `dot ${tone}` }), ` ${name} `, h('strong', {}, figure(value(last))))));
  return h('div', { class: 'chart-box' }, h('h3', {}, title, h('span', { class: 'soft' }, ` ${unit}`)), picture, legend);
}

/** All figures of all pictures, for whoever does not see them; made when it is opened. */
export function figures(read, columns) {
  const place = h('div', {});
  const box = h('details', {}, h('summary', {}, 'The same as a table'), place);
  const draw = () => put(place, table('The last hour, minute by minute', ['Minute that ended (UTC)', ...columns.map(([name]) => name)],
    read().toReversed().map((one) => [one.at.slice(11, 19), ...columns.map(([, value]) => figure(value(one)))])));
  box.addEventListener('toggle', () => { if (box.open) draw(); });
  return { box, again: () => { if (box.open) draw(); } };
}
