// Every tenant, and what needs attention first.

import { get, metrics } from './api.js';
import { chip, empty, h, put, table } from './dom.js';
import { count, days, evidence, from, instant, sentence, tone } from './words.js';

/** A removal nearer than this wants a finished move. */
const NEAR_DAYS = 30;
/** A filter is offered from here on. */
const MANY = 9;
/** Tenants on a page: drawing more would cost the eye and the browser. */
const PAGE = 50;
/** What needs attention is listed up to here. */
const MOST = 12;
const LEVELS = { bad: 0, warn: 1, shadow: 2 };

/** What needs attention, worst first: [tone, word, tenant, sentence]. */
function attention({ status, tenants, hosts }) {
  const found = [];
  const note = (level, word, tenant, text) => found.push({ level, word, tenant, text });
  if (status.storeProblem) note('bad', 'Store', null, status.storeProblem);
  if (status.draining) note('warn', 'Stopping', null, 'The process is about to stop and takes no new chats.');
  for (const one of tenants) {
    const left = days(one.removal, status.now);
    if (one.panic) note('bad', 'Panic file', one.id, `The panic file says “${one.panic}”; plan and changes do not count.`);
    if (one.decision.route === 'refused') note('bad', 'Refusing', one.id, sentence(one.decision.sentence));
    if (one.evidence && one.evidence.errors) note('bad', 'Evidence', one.id, `The last report has ${count(one.evidence.errors, 'error')}.`);
    if (one.hasLegacy && left >= 0 && left <= NEAR_DAYS && one.miawPercent < 100) {
      note('warn', 'Removal', one.id, `Legacy ends in ${count(left, 'day')}, and ${one.miawPercent} of 100 new chats go to MIAW.`);
    }
    if (one.hasLegacy && left < 0 && one.miawPercent < 100) {
      note('bad', 'Removal', one.id, `Legacy ended ${count(-left, 'day')} ago by the calendar, yet new chats still go there.`);
    }
    if (one.drift) note('warn', 'Drift', one.id, 'A change stands that was made under another plan in the file.');
    if (one.frozen) note('shadow', 'Frozen', one.id, 'The plan stands still until somebody lets it go on.');
    if (one.hasLegacy && !one.evidence && one.miawPercent < 100) {
      note('shadow', 'Evidence', one.id, 'No dry-run report was recorded yet.');
    }
  }
  for (const { labels } of hosts) {
    const removed = tenants.find((one) => one.id === labels.tenant)?.pastRemoval;
    if (labels.state !== 'alive' && !removed) note('warn', 'Legacy host', labels.tenant, `${labels.host} is ${labels.state}.`);
  }
  return found.sort((a, b) => LEVELS[a.level] - LEVELS[b.level]);
}

const link = (id) => h('a', { href: `#/tenant/${encodeURIComponent(id)}`, 'data-key': `tenant ${id}`, class: 'name' }, id);

export const tile = (label, value, note, state) => h('div', { class: `tile ${state || ''}` },
  h('dt', {}, label), h('dd', {}, value), note ? h('dd', { class: 'soft note' }, note) : null);

/** The share on MIAW as a bar and a number. */
export const share = (percent) => h('span', { class: 'share' },
  h('meter', { min: 0, max: 100, value: percent, 'aria-label': `${percent} of 100 new chats go to MIAW` }), ` ${percent} %`);

function removal(one, now) {
  if (!one.hasLegacy) return 'no legacy';
  const left = days(one.removal, now);
  const text = left >= 0 ? `in ${count(left, 'day')}` : `${count(-left - 1, 'day')} ago`;
  return h('span', { title: instant(one.removal) }, text);
}

/** The stage; past the removal it no longer decides. */
function stages(one, now) {
  const moved = tone(one.stage) === 'miaw';
  const past = one.hasLegacy && one.miawPercent === 100 && days(one.removal, now) < 0 && !moved;
  return past ? [chip('soft', one.stage), chip('miaw', 'past removal')] : [chip(tone(one.stage), one.stage)];
}

/** Those who look want to know whether there are any, then what kind. */
const failed = (one) => (one.failures ? chip('bad', String(one.failures)) : '0');

function row(one, now, counts) {
  const decided = counts.get(one.id) || {};
  const parts = ['miaw', 'legacy', 'refused'].filter((route) => decided[route]);
  const sum = parts.length ? parts.map((route) => `${decided[route]} ${route}`).join(', ') : 'none yet';
  return [
    link(one.id),
    h('span', {}, ...stages(one, now), one.frozen ? chip('shadow', 'frozen') : null,
      one.panic ? chip('bad', 'panic') : null),
    share(one.miawPercent),
    removal(one, now),
    one.relayedChats ? `${one.liveChats} MIAW, ${one.relayedChats} legacy` : String(one.liveChats),
    sum,
    failed(one),
    one.hasLegacy || one.evidence ? chip(...evidence(one.evidence, now)) : '–',
    one.nextChange ? h('span', { title: instant(one.nextChange) }, from(one.nextChange, now)) : '–',
  ];
}

export function overview() {
  const tiles = h('dl', { class: 'tiles' });
  const first = h('div', {});
  const list = h('div', {});
  const filter = h('input', { type: 'search', 'aria-label': 'Filter tenants', placeholder: 'Filter tenants' });
  const pager = h('nav', { class: 'pager', 'aria-label': 'Pages of tenants' });
  let data = null;
  let page = 0;
  let whole = false;
  let seen = '';
  filter.addEventListener('input', () => { page = 0; draw(); });
  filter.hidden = true;

  function draw() {
    const { status, tenants, counts, failures } = data;
    const wanted = attention(data);
    const live = Object.entries(status.chats).filter(([phase]) => phase !== 'ended').reduce((sum, [, n]) => sum + n, 0);
    const relayed = tenants.reduce((sum, one) => sum + one.relayedChats, 0);
    const moved = tenants.filter((one) => one.miawPercent === 100).length;
    put(tiles,
      tile('Tenants', String(tenants.length), `${moved} wholly on MIAW`),
      tile('Live chats on MIAW', String(live), `${status.chats.talking} talking, ${status.chats.waiting} waiting; ${relayed} more on legacy`),
      tile('Failed calls', String(failures), 'to Salesforce, since the start', failures ? 'is-warn' : ''),
      tile('Needs attention', String(wanted.length), wanted.length ? 'listed below' : 'all quiet', wanted.some((one) => one.level === 'bad') ? 'is-bad' : ''));
    const most = whole ? wanted.length : MOST;
    put(first, wanted.length ? h('ul', { class: 'attention' }, wanted.slice(0, most).map((one) => h('li', {},
      chip(one.level, one.word), h('span', {}, one.tenant === null ? 'The bridge' : link(one.tenant), ' — ', one.text))))
      : empty('Nothing. Every tenant does what its plan says.'),
    wanted.length > most ? h('div', { class: 'actions' }, h('button', { type: 'button', class: 'quiet', 'data-key': 'whole', onclick: () => { whole = true; draw(); } }, `Show all ${wanted.length}`)) : null);
    filter.hidden = tenants.length < MANY;
    const fits = tenants.filter((one) => one.id.toLowerCase().includes(filter.value.toLowerCase()));
    const places = new Map(wanted.toReversed().map((one, index) => [one.tenant, wanted.length - index]));
    const place = (id) => places.get(id) ?? wanted.length + 1;
    fits.sort((a, b) => (place(a.id) - place(b.id)) || (a.id < b.id ? -1 : 1));
    const pages = Math.max(1, Math.ceil(fits.length / PAGE));
    page = Math.min(page, pages - 1);
    const shown = fits.slice(page * PAGE, (page + 1) * PAGE);
    const heads = ['Tenant', 'Stage', 'On MIAW', 'Removal', 'Live', 'Decisions', 'Failures', 'Evidence', 'Next change'];
    put(list, fits.length ? table('Tenants', heads, shown.map((one) => row(one, status.now, counts)))
      : empty('No tenant of this name is in your scope.'));
    const turn = (name, to, stop) => h('button', { type: 'button', class: 'quiet', 'data-key': name, disabled: stop, onclick: () => { page = to; draw(); } }, name);
    put(pager, pages > 1 ? [turn('Previous', page - 1, page === 0), h('span', { class: 'soft', role: 'status' }, `${page * PAGE + 1} to ${page * PAGE + shown.length} of ${fits.length}`), turn('Next', page + 1, page === pages - 1)] : null);
  }

  async function load() {
    const [status, { tenants }, lines] = await Promise.all([get('/admin/v1/status'), get('/admin/v1/tenants'), metrics()]);
    const counts = new Map();
    let failures = 0;
    for (const { name, labels, value } of lines) {
      if (name === 'bridge_decisions_total') {
        const own = counts.get(labels.tenant) || {};
        own[labels.route] = (own[labels.route] || 0) + value;
        counts.set(labels.tenant, own);
      }
      if (name === 'bridge_upstream_calls_total' && labels.outcome !== 'ok') failures += value;
    }
    const hosts = lines.filter((one) => one.name === 'bridge_legacy_host' && tenants.some((t) => t.id === one.labels.tenant));
    data = { status, tenants, counts, failures, hosts };
    // The clock moves with every look; what is drawn changes far less often.
    const print = JSON.stringify([{ ...status, now: status.now.slice(0, 16) }, tenants, [...counts], failures, hosts]);
    if (print === seen) return;
    seen = print;
    draw();
  }

  const body = h('div', { class: 'stack' }, tiles,
    h('section', { class: 'card', 'aria-label': 'Needs attention' }, h('h2', {}, 'Needs attention first'), first),
    h('section', { class: 'card', 'aria-label': 'Tenants' }, h('div', { class: 'line' }, h('h2', {}, 'Tenants'), filter), list, pager));
  return { title: 'Overview', body, load };
}
