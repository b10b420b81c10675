// The process: health, store, calls to Salesforce, limits; reading the configuration again.

import { get, metrics, post } from './api.js';
import { ask, chip, empty, h, put, say, table, trouble } from './dom.js';
import { tile } from './overview.js';
import { count, day } from './words.js';

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

export function operations({ person, again }) {
  const tiles = h('div', {});
  const calls = h('div', {});
  const hosts = h('div', {});
  const writes = h('div', {});
  const limits = h('div', {});
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
    const [status, lines] = await Promise.all([get('/admin/v1/status'), metrics()]);
    const value = (name) => lines.filter((one) => one.name === name).reduce((sum, one) => sum + one.value, 0);
    const worst = status.storeProblem || status.draining;
    put(tiles, h('dl', { class: 'tiles' },
      tile('Health', worst ? chip('bad', 'not ready') : chip('good', 'ready'), status.draining ? 'about to stop' : 'takes new chats'),
      tile('Store', status.storeProblem ? chip('bad', 'no writes') : chip('good', 'takes writes'), status.storeProblem || 'asked a moment ago'),
      tile('Plan fingerprint', h('code', {}, status.planFingerprint), 'equal on nodes that have seen the same'),
      tile('Version', status.version, `${count(value('bridge_recovered_chats'), 'chat')} taken up at the start`),
      tile('Clock', status.now.slice(11, 16), `UTC, ${day(status.now)}; the bridge’s own`),
      tile('Streams opened again', String(value('bridge_stream_reopens_total')), 'since the start')));
    const called = sums(lines, 'bridge_upstream_calls_total', ['backend', 'operation', 'outcome']);
    put(calls, called.length ? table('Calls to Salesforce', ['Operation', 'Backend', 'Outcome', 'Calls'], called.map(([backend, operation, word, n]) => [operation, backend, outcome(word), String(n)]))
      : empty('None since the start.'));
    const known = lines.filter((one) => one.name === 'bridge_legacy_host');
    put(hosts, known.length ? table('Legacy hosts', ['Host', 'Tenant', 'State'], known.map(({ labels }) => [labels.host, labels.tenant, chip({ alive: 'good', gone: 'soft' }[labels.state] || 'warn', labels.state)]))
      : empty('No request has met a legacy host yet.'));
    const stored = sums(lines, 'bridge_store_writes_total', ['kind', 'outcome']);
    put(writes, stored.length ? table('Writes to the store', ['Kind', 'Outcome', 'Writes'], stored.map(([kind, word, n]) => [kind, outcome(word), String(n)])) : empty('None since the start.'));
    const print = JSON.stringify(status.limits);
    if (print !== limitsSeen) {
      limitsSeen = print;
      put(limits, table('Limits', ['Limit', 'Value'], status.limits.map((one) => [h('code', {}, one.name), one.value.toLocaleString('en')])));
    }
  }

  const card = (name, ...children) => h('section', { class: 'card', 'aria-label': name }, h('h2', {}, name), children);
  const aside = person.operates && person.whole ? h('div', { class: 'actions' }, h('button', { type: 'button', id: 'reload', onclick: reload }, 'Reload configuration …')) : null;
  const body = h('div', { class: 'stack' }, tiles, result, h('div', { class: 'two' }, card('Calls to Salesforce', calls), h('div', { class: 'stack' }, card('Legacy hosts', hosts), card('Writes to the store', writes))),
    h('section', { class: 'card', 'aria-label': 'Limits' }, h('details', {}, h('summary', {}, 'Limits of this process'), limits)));
  return { title: 'Operations', body, load, aside };
}
