// Nodes, the last hour, budgets, store, calls to Salesforce, limits; reading the configuration again.

import { get, metrics, post } from './api.js';
import { ask, chip, empty, h, put, say, table, trouble } from './dom.js';
import { chart, figures } from './charts.js';
import { tile } from './overview.js';
import { count, day, from } from './words.js';

/** Sums a metric by some labels. */
function sums(lines, name, labels) {
  const found = new Map();
  for (const one of lines.filter((line) => line.name === name)) {
    const key = JSON.stringify(labels.map((label) => one.labels[label]));
    found.set(key, (found.get(key) || 0) + one.value);
  }
  return [...found].map(([key, value]) => [...JSON.parse(key), value]);
}

const outcome = (word) => chip(['ok', 'done'].includes(word) || word.startsWith('2') ? 'good' : 'warn', word);

/** A share that is used, as a bar and a number. */
const use = (used, limit, what) => h('span', { class: 'share' }, h('meter', { min: 0, max: limit, high: limit * 0.8, value: Math.min(used, limit), 'aria-label': `${used} of ${limit} ${what}` }), ` ${used} of ${limit}`);

/** What the pictures of the last hour show: title, unit, parts. */
const CHARTS = [
  ['New chats', 'a minute', [['to MIAW', 'miaw', (one) => one.decidedMiaw], ['to Live Agent', 'legacy', (one) => one.decidedLegacy], ['refused', 'bad', (one) => one.decidedRefused]]],
  ['Chats in progress', 'at the end of the minute', [['on MIAW', 'miaw', (one) => one.chats], ['on Live Agent', 'legacy', (one) => one.relayedChats]]],
  ['Answers to visitors', 'a minute', [['good', 'good', (one) => one.requests - one.errors], ['errors', 'bad', (one) => one.errors]]],
  ['Calls to Salesforce', 'a minute', [['good', 'good', (one) => one.calls - one.failedCalls], ['failed', 'bad', (one) => one.failedCalls]]],
  ['Answer time of MIAW', 'ms on average', [['ms', 'shadow', (one) => one.callMillis]]],
  ['Writes to the store', 'a minute', [['good', 'good', (one) => one.writes - one.failedWrites], ['failed', 'bad', (one) => one.failedWrites]]],
];
/** Orgs shown: those that use most. */
const MOST_ORGS = 10;
const COLUMNS = CHARTS.flatMap(([title, , parts]) => parts.map(([name, , value]) => [`${title}: ${name}`, value]));

export function operations({ person, again }) {
  const tiles = h('div', {});
  const calls = h('div', {});
  const hosts = h('div', {});
  const writes = h('div', {});
  const limits = h('div', {});
  const nodes = h('div', {});
  const hour = h('div', { class: 'charts' });
  const tokens = h('div', {});
  const errors = h('div', {});
  let samples = [];
  const all = figures(() => samples, COLUMNS);
  const result = h('div', {});
  let limitsSeen = '';

  function reload() {
    ask({
      title: 'Read the configuration again',
      text: 'What is wrong with the files changes nothing; the differences are shown. Chats in progress stay.',
      yes: 'Reload',
      act: async () => {
        try {
          const { differences } = await post('/admin/v1/reload');
          put(result, h('p', {}, differences.length ? 'Read again. What is different:' : 'Read again; nothing is different.'),
            differences.length ? h('pre', { tabindex: '0' }, differences.join('\n')) : null);
          say('The configuration was read again');
          await again();
        } catch (error) {
          if (error.code !== 'configuration-wrong') throw error;
          put(result, trouble(error));
        }
      },
    });
  }

  async function load() {
    const [status, lines, { nodes: members }, history, budgets] = await Promise.all([get('/admin/v1/status'), metrics(), get('/admin/v1/nodes'), get('/admin/v1/history'), get('/admin/v1/budgets')]);
    const value = (name) => lines.filter((one) => one.name === name).reduce((sum, one) => sum + one.value, 0);
    const worst = status.storeProblem || status.draining;
    const print = JSON.stringify(status.limits);
    put(tiles, h('dl', { class: 'tiles' },
      tile('Health', worst ? chip('bad', 'not ready') : chip('good', 'ready'), status.draining ? 'about to stop' : 'takes new chats'),
      tile('Store', status.storeProblem ? chip('bad', 'no writes') : chip('good', 'takes writes'), status.storeProblem || 'asked a moment ago'),
      tile('Plan fingerprint', h('code', {}, status.planFingerprint), 'equal on nodes that have seen the same'),
      tile('Version', status.version, `${count(value('bridge_recovered_chats'), 'chat')} taken up at the start`),
      tile('Clock', status.now.slice(11, 16), `UTC, ${day(status.now)}; the bridge’s own`),
      tile('Streams opened again', String(value('bridge_stream_reopens_total')), 'since the start')));
    put(nodes, table('Nodes', ['Node', 'Address', 'State', 'Since', 'Chats', 'Fingerprint'], members.map((one) => [h('span', { title: one.id }, one.name), one.address, one.live ? chip('good', 'alive') : chip('bad', 'gone'), from(one.since, status.now), String(one.chats), h('code', {}, one.fingerprint)])),
      new Set(members.filter((one) => one.live).map((one) => one.fingerprint)).size > 1 ? h('p', {}, chip('warn', 'differ'), ' Nodes that live are not configured alike, or have not seen the same changes yet.') : null);
    samples = [...history.samples, history.open].slice(-60);
    put(hour, CHARTS.map(([title, unit, parts]) => chart(title, samples, parts, unit)));
    all.again();
    const busiest = budgets.tokens.toSorted((a, b) => b.used - a.used).slice(0, MOST_ORGS);
    put(tokens, busiest.length ? table('Tokens by org', ['Org', 'Tenants', 'Used in 60 s', 'Waits'], busiest.map((one) => [h('code', {}, one.org), h('span', { class: 'value' }, one.tenants.slice(0, 5).join(', '), one.tenants.length > 5 ? ` and ${one.tenants.length - 5} more` : ''), use(one.used, one.limit, 'tokens a minute'), one.waitSeconds ? chip('warn', count(one.waitSeconds, 'second')) : 'nobody'])) : empty('No tenant is in your scope.'),
      budgets.tokens.length > busiest.length ? h('p', { class: 'soft' }, `The ${MOST_ORGS} that use most, of ${budgets.tokens.length}.`) : null);
    put(errors, budgets.errors.length ? table('Error budgets', ['Tenant', 'Gone wrong', 'Of these', 'Allowed', 'Not heard of'], budgets.errors.map((one) => {
      const bad = one.notStarted + one.slow + one.unanswered;
      const over = one.chats >= one.minChats && bad * 100 > one.chats * one.maxShare;
      return [one.tenant, chip(over ? 'bad' : bad ? 'warn' : 'good', `${bad} of ${one.chats}`), `${one.notStarted} not started, ${one.slow} waited too long, ${one.unanswered} without anybody`, `${one.maxShare} of 100, from ${count(one.minChats, 'chat')} on, within ${count(one.windowSeconds / 60, 'minute')}`, String(one.unheard)];
    })) : empty('No tenant’s plan has one: [tenant.plan.budget] rolls a move back by itself when too much goes wrong.'));
    const called = sums(lines, 'bridge_upstream_calls_total', ['backend', 'operation', 'outcome']);
    put(calls, called.length ? table('Calls to Salesforce', ['Operation', 'Backend', 'Outcome', 'Calls'], called.map(([backend, operation, word, n]) => [operation, backend, outcome(word), String(n)]))
      : empty('None since the start.'));
    const known = lines.filter((one) => one.name === 'bridge_legacy_host');
    put(hosts, known.length ? table('Legacy hosts', ['Host', 'Tenant', 'State'], known.map(({ labels }) => [labels.host, labels.tenant, chip({ alive: 'good', gone: 'soft' }[labels.state] || 'warn', labels.state)]))
      : empty('No request has met a legacy host yet.'));
    const stored = sums(lines, 'bridge_store_writes_total', ['kind', 'outcome']);
    put(writes, stored.length ? table('Writes to the store', ['Kind', 'Outcome', 'Writes'], stored.map(([kind, word, n]) => [kind, outcome(word), String(n)])) : empty('None since the start.'));
    if (print !== limitsSeen) {
      limitsSeen = print;
      put(limits, table('Limits', ['Limit', 'Value'], status.limits.map((one) => [h('code', {}, one.name), one.value.toLocaleString('en')])));
    }
  }

  const card = (name, ...children) => h('section', { class: 'card', 'aria-label': name }, h('h2', {}, name), children);
  const aside = person.operates && person.whole ? h('div', { class: 'actions' }, h('button', { type: 'button', id: 'reload', onclick: reload }, 'Reload configuration …')) : null;
  const body = h('div', { class: 'stack' }, tiles, result, card('The last hour', hour, all.box), card('Nodes', nodes), h('div', { class: 'two' }, card('Tokens by org', h('p', { class: 'soft' }, 'Salesforce gives an org 200 guest tokens a minute; this process counts its own.'), tokens), card('Error budgets', errors)),
    h('div', { class: 'two' }, card('Calls to Salesforce', calls), h('div', { class: 'stack' }, card('Legacy hosts', hosts), card('Writes to the store', writes))),
    h('section', { class: 'card', 'aria-label': 'Limits' }, h('details', {}, h('summary', {}, 'Limits of this process'), limits)));
  return { title: 'Operations', body, load, aside };
}
