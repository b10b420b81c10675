// Dry runs of a tenant: make one, read it, compare two, download, sign.

import { at, get, post, text } from './api.js';
import { ask, chip, download, empty, field, h, put, say, table, trouble } from './dom.js';
import { SAMPLES } from './mapping.js';
import { tile } from './overview.js';
import { ROUTES, count, from, instant, sentence } from './words.js';

const VERDICTS = { clean: ['good', 'ready'], warnings: ['warn', 'ready with losses'], errors: ['bad', 'not ready'] };
const SEVERITIES = { error: 'bad', warning: 'warn', note: 'shadow' };
/** Findings shown before somebody asks for the rest. */
const MOST = 60;
const short = (hash) => hash.slice(0, 12);
const verdict = (word) => chip(...(VERDICTS[word] || ['soft', word]));

/** Places of one code, gathered: the same loss in many fields is one thing to decide. */
function findings(all, caption) {
  if (!all.length) return empty('None.');
  const rows = (some) => table(caption, ['Weight', 'What', 'Where'], some.map((one) => [
    h('span', {}, chip(SEVERITIES[one.severity] || 'soft', one.severity), one.accepted ? chip('soft', 'accepted') : null),
    h('span', {}, h('strong', {}, `${one.code} ${one.slug}`), h('br', {}), sentence(one.message)),
    h('span', { class: 'value' }, one.document ? [one.document, h('br', {})] : null, h('code', { class: 'soft' }, one.path))]));
  const box = h('div', {}, rows(all.slice(0, MOST)));
  if (all.length > MOST) {
    const more = h('button', { type: 'button', class: 'quiet', onclick: () => put(box, rows(all)) }, `Show all ${all.length}`);
    box.append(h('div', { class: 'actions' }, more));
  }
  return box;
}

const card = (title, ...rest) => h('section', { class: 'card', 'aria-label': title }, h('h2', {}, title), rest);

/** Steps of one code together, heaviest first as they come. */
function gathered(steps) {
  const found = new Map();
  for (const one of steps) {
    const key = `${one.severity} ${one.code}`;
    found.set(key, [one, [...(found.get(key)?.[1] || []), one]]);
  }
  return [...found.values()];
}

const list = (steps) => h('ul', { class: steps.length > 1 ? 'dots' : '' }, steps.map((one) => h('li', {}, one.todo, one.places > 1 ? h('span', { class: 'soft' }, ` (${count(one.places, 'place')})`) : null)));

/** What a report says, by what is to be done first. */
function described(report) {
  const { summary } = report;
  const routing = report.tenants.flatMap((one) => one.routing);
  return [
    card('What to do', report.next_steps.length
      ? h('ol', { class: 'attention' }, gathered(report.next_steps).map(([head, steps]) => h('li', {}, chip(SEVERITIES[head.severity], head.severity),
        h('div', {}, h('strong', {}, `${head.code} ${head.slug}`), steps.length > 3 ? h('details', {}, h('summary', {}, `${steps.length} steps`), list(steps)) : list(steps)))))
      : empty('Nothing: no value is lost that is not accepted.')),
    card('Findings', h('p', { class: 'soft' }, `${count(summary.errors, 'error')}, ${count(summary.warnings, 'warning')}, ${count(summary.notes, 'note')}; ${summary.accepted} accepted.`),
      findings(report.findings, 'Findings')),
    card('Where a new chat goes', h('p', { class: 'soft' }, 'By the plan in the file, for the first lot of a ramp.'),
      table('Where a new chat goes', ['When', 'What', 'Route'], routing.map((row) => [row.local, sentence(row.label), `${ROUTES[row.route] || row.route}: ${sentence(row.because)}`]))),
    card('Made from', table('Evidence', ['File', 'Kind', 'Age', 'SHA-256'], report.evidence.map((one) => [
      h('span', { class: 'value' }, one.name), one.kind, one.age_days === null ? 'not known' : count(one.age_days, 'day'), h('code', { title: one.sha256 }, short(one.sha256))])),
    h('details', {}, h('summary', {}, 'What it covers, and what it does not'),
      h('div', { class: 'two' }, h('ul', { class: 'dots' }, report.covers.map((one) => h('li', {}, one))),
        h('ul', { class: 'dots' }, report.does_not_cover.map((one) => h('li', {}, 'Not: ', one)))))),
  ];
}

/** Two reports side by side. */
function compared(told) {
  const arrow = (name) => `${told.summary.before[name]} → ${told.summary.after[name]}`;
  const step = (name, label) => {
    const more = told.summary.after[name] - told.summary.before[name];
    return tile(label, arrow(name), more === 0 ? 'as before' : `${more > 0 ? '+' : '−'}${Math.abs(more)}`, more > 0 && name === 'errors' ? 'is-bad' : '');
  };
  return [
    h('dl', { class: 'tiles' }, tile('Verdict', h('span', {}, verdict(told.summary.before.verdict), ' → ', verdict(told.summary.after.verdict))),
      step('errors', 'Errors'), step('warnings', 'Warnings'), step('notes', 'Notes')),
    card('Only in the later one', findings(told.added, 'Only in the later one')),
    card('Gone since the earlier one', findings(told.gone, 'Gone since the earlier one')),
    told.changed.length ? card('Weighs differently', table('Weighs differently', ['Finding', 'Earlier', 'Later'], told.changed.map(({ before, after }) => {
      const weight = (one) => h('span', {}, chip(SEVERITIES[one.severity], one.severity), one.accepted ? chip('soft', 'accepted') : null);
      return [h('span', {}, h('strong', {}, `${after.code} ${after.slug}`), ' ', h('code', { class: 'soft' }, after.path)), weight(before), weight(after)];
    }))) : null,
    told.routing.length ? card('New chats go elsewhere', table('New chats go elsewhere', ['At', 'Earlier', 'Later'], told.routing.map((one) => [instant(one.at), ROUTES[one.before], ROUTES[one.after]]))) : null,
    card('Made from', told.madeFrom.length ? table('Only one was made from', ['File', 'Kind', 'Only in', 'SHA-256'], told.madeFrom.map((one) => [h('span', { class: 'value' }, one.name), one.kind, one.only === 'before' ? 'the earlier' : 'the later', h('code', { title: one.sha256 }, short(one.sha256))]))
      : empty('The same files.'), h('p', { class: 'soft' }, `${count(told.same, 'finding')} in both.`)),
  ];
}

const picker = (multiple) => h('input', { type: 'file', multiple });
const read = (input) => Promise.all([...input.files].map(async (file) => ({ name: file.name, text: await file.text() })));
const utc = (input) => (input.value ? `${input.value}:00Z` : undefined);

/** The form that makes a dry run. */
function maker(id, made) {
  const [documents, metadata, captured, shadow] = [picker(true), picker(true), picker(true), picker(true)];
  const sample = h('select', {}, h('option', { value: '' }, 'none'), SAMPLES.map(([name, label]) => h('option', { value: name }, label)));
  const counts = h('input', { type: 'checkbox' });
  const asOf = h('input', { type: 'datetime-local', step: 60 });
  const dated = h('input', { type: 'datetime-local', step: 60 });
  const wrong = h('div', {});
  const go = h('button', { type: 'submit' }, 'Make the dry run');
  const form = h('form', { id: 'make' },
    h('div', { class: 'fields' },
      field('Pre-chat documents', documents, 'A ChasitorInit body, or an export of the bot.'),
      field('Or a sample', sample, 'To see what a report looks like.'),
      field('Captured chats', captured, 'Redacted, one per line, as capture writes them.'),
      field('Metadata', metadata, 'MessagingChannel, LiveChatButton … as XML.'),
      field('Shadow counts', shadow, 'One JSON object per line.'),
      field('As of (UTC)', asOf, 'Now, unless given.'),
      field('The files are of (UTC)', dated, 'For files that do not say so themselves.')),
    h('label', { class: 'check' }, counts, ' Look at the shadow counts of this process, too'),
    h('p', { class: 'soft' }, 'The files go to this bridge and nowhere else. The report has lengths and hashes in the place of values; the files are not kept.'),
    wrong, h('div', { class: 'actions' }, go));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      const given = await read(documents);
      if (sample.value) given.push({ name: `sample ${sample.value}.json`, text: await (await fetch(`samples/${sample.value}.json`)).text() });
      const wish = { documents: given, metadata: await read(metadata), captured: await read(captured), shadow: await read(shadow), shadowCounts: counts.checked, asOf: utc(asOf), evidenceAt: utc(dated) };
      const report = await post(`${at(id)}/reports`, wish);
      put(wrong);
      say(`The dry run is made: ${VERDICTS[report.verdict][1]}`);
      made(report);
    } catch (error) {
      if (error.status === undefined) throw error;
      put(wrong, trouble(error));
    } finally {
      go.disabled = false;
    }
  });
  return form;
}

export function reports({ person, param, again }) {
  let [id, hash] = param ? param.split('/') : ['', ''];
  const tenant = h('select', {});
  const place = Object.fromEntries(['list', 'make', 'shown', 'compare'].map((name) => [name, h('div', { class: 'stack' })]));
  let seen = '';
  let opened = '';
  const address = (report) => `#/reports/${encodeURIComponent(id)}${report ? `/${report}` : ''}`;
  tenant.addEventListener('change', () => { location.hash = `#/reports/${encodeURIComponent(tenant.value)}`; });

  function sign(report) {
    const why = h('textarea', { rows: 2, required: true, maxlength: 1000 });
    ask({
      title: `Sign report ${short(report.report)}`,
      text: `You, ${person.name}, vouch that you have read it: ${VERDICTS[report.verdict][1]}, ${count(report.errors, 'error')}. From now on it is the evidence of ${id}; a move to MIAW that asks for evidence relies on it. Its SHA-256 is ${report.report}.`,
      fields: [field('Reason', why, 'It is kept in the change list, under your name, with the hash.')],
      yes: 'Sign',
      act: async () => {
        const { lastChange: expected } = await get(at(id));
        const change = await post(`${at(id)}/reports/${report.report}/sign`, { expected, why: why.value });
        say(`Signed: change ${change.number}`);
        seen = '';
        opened = '';
        await again();
      },
    });
  }

  const signatures = (report) => (report.signatures.length
    ? h('ul', {}, report.signatures.map((one) => h('li', {}, chip('good', 'signed'), ' ', `${one.who}, `, h('time', { datetime: one.at }, instant(one.at)), h('span', { class: 'soft' }, ` · change ${one.number}: `), h('span', { class: 'why' }, one.why))))
    : h('p', { class: 'soft' }, 'Nobody has signed it yet.'));

  async function open(report) {
    const path = `${at(id)}/reports/${report.report}`;
    const raw = await text(path);
    const save = (name, kind, load) => h('button', { class: 'quiet', type: 'button', onclick: async () => download(name, await load(), kind) }, `Download ${name.split('.').pop().toUpperCase()}`);
    const name = `dry-run-${id}-${short(report.report)}`;
    put(place.shown, h('section', { class: 'card report-head', 'aria-label': 'Report' },
      h('div', { class: 'line' }, h('h2', { tabindex: '-1', id: 'report' }, `Report ${short(report.report)} `, verdict(report.verdict)),
        h('div', { class: 'actions' }, save(`${name}.html`, 'text/html', () => text(`${path}/html`)), save(`${name}.json`, 'application/json', () => raw),
          person.operates ? h('button', { type: 'button', id: 'sign', onclick: () => sign(report) }, 'Sign …') : null)),
      h('dl', { class: 'tiles' }, tile('Errors', String(report.errors), 'block the move', report.errors ? 'is-bad' : ''), tile('Warnings', String(report.warnings), 'something is lost or changed', report.warnings ? 'is-warn' : ''),
        tile('Notes', String(report.notes), 'worth knowing'), tile('Accepted', String(report.accepted), 'with a reason and a date')),
      h('dl', { class: 'pairs' }, [['Made', `${instant(report.madeAt)} by ${report.madeBy}`], ['Speaks for', instant(report.asOf)], ['SHA-256', h('code', {}, report.report)],
        ['Evidence hash', h('code', {}, report.evidenceHash)], ['Mapping', report.fitsMapping ? 'the one in force' : 'another version than the one in force: make it again before a move'], ['Signatures', signatures(report)]].flatMap(([term, value]) => [h('dt', {}, term), h('dd', {}, value)]))),
    described(JSON.parse(raw)));
    opened = report.report;
  }

  function drawList(list, lasting, now) {
    const rows = list.map((one) => [
      h('a', { href: address(one.report), 'data-key': one.report, 'aria-current': one.report === hash ? 'true' : null }, h('code', {}, short(one.report))),
      h('span', { title: instant(one.madeAt) }, `${from(one.madeAt, now)}, ${one.madeBy}`), verdict(one.verdict),
      `${one.errors} / ${one.warnings} / ${one.notes}`, one.fitsMapping ? chip('good', 'in force') : chip('warn', 'another version'),
      one.signatures.length ? one.signatures.map((each) => h('span', {}, chip('good', 'signed'), ' ', each.who, ' ')) : '–',
    ]);
    put(place.list, card('Reports', list.length ? table('Reports', ['Report', 'Made', 'Verdict', 'Errors / warnings / notes', 'Mapping', 'Signed'], rows) : empty('None yet. Make a dry run to see what would be lost.'),
      h('p', { class: 'soft' }, lasting ? 'The newest 20 are listed; signed ones stay in their folder.' : 'The newest 20 are kept in memory and end with the process, signatures do not. Download what you sign, or set [admin] reports.')));
  }

  function drawCompare(list) {
    if (list.length < 2) return put(place.compare);
    const options = () => list.map((one) => h('option', { value: one.report }, `${short(one.report)} · ${instant(one.madeAt)} · ${VERDICTS[one.verdict][1]}`));
    const [earlier, later] = [h('select', { id: 'earlier' }, options()), h('select', { id: 'later' }, options())];
    [earlier.value, later.value] = [list[1].report, list[0].report];
    const out = h('div', { class: 'stack', id: 'difference' });
    const go = async () => {
      try {
        put(out, compared(await get(`${at(id)}/reports/${earlier.value}/compare?with=${later.value}`)));
        say('Compared');
      } catch (error) {
        if (error.status === undefined) throw error;
        put(out, trouble(error));
      }
    };
    return put(place.compare, card('Compare two', h('div', { class: 'fields' }, field('Earlier', earlier), field('Later', later)),
      h('div', { class: 'actions' }, h('button', { type: 'button', class: 'quiet', id: 'compare', onclick: go }, 'Compare'))), out);
  }

  async function load() {
    if (!tenant.options.length) {
      const { tenants } = await get('/admin/v1/tenants');
      if (!tenants.length) return put(place.list, empty('No tenant is in your scope.'));
      tenant.append(...tenants.map((one) => h('option', { value: one.id }, one.id)));
      id ||= tenants[0].id;
      tenant.value = id;
      if (person.operates) {
        const box = h('details', { open: !hash }, h('summary', {}, h('h2', { class: 'inline-head' }, 'Make a dry run')), maker(id, async (report) => { location.hash = address(report.report); await again(); }));
        put(place.make, h('section', { class: 'card', 'aria-label': 'Make a dry run' }, box));
      }
    }
    const [{ reports: list, lasting }, { now }] = await Promise.all([get(`${at(id)}/reports`), get('/admin/v1/status')]);
    const print = JSON.stringify([list, now.slice(0, 16)]);
    if (print !== seen) {
      drawList(list, lasting, now);
      if (seen === '' || JSON.parse(seen)[0].length !== list.length) drawCompare(list);
      seen = print;
    }
    const chosen = list.find((one) => one.report === hash);
    if (chosen && opened !== hash) await open(chosen);
    if (hash && !chosen) put(place.shown, empty('This report is not kept here any more.'));
    return null;
  }

  const choose = h('label', { class: 'inline' }, 'Tenant ', tenant);
  const body = h('div', { class: 'stack' }, place.list, place.shown, place.compare, place.make);
  return { title: 'Reports', body, load, aside: choose };
}
