// One tenant: its plan as a picture, its moves, its history.

import { at, changes, get } from './api.js';
import { chip, empty, field, h, put, table } from './dom.js';
import { otherMoves, planAt, rollBack, stageForm } from './moves.js';
import { share, tile } from './overview.js';
import { timeline } from './timeline.js';
import { ROUTES, action, count, days, evidence, instant, sentence, tone } from './words.js';

/** The lot of the chat that a ramp takes last. */
const LAST_DRAW = 9999;
/** Changes shown. */
const HISTORY = 50;

/** Where the file and what holds are not the same. */
function drift(plan) {
  const { standing, file } = plan;
  const lines = [];
  if (standing.drift) {
    lines.push(['warn', 'Drift', `Change ${standing.drift.number} was made when the file said another plan (${standing.drift.recorded.slice(0, 12)}; now ${standing.drift.file.slice(0, 12)}). Look whether it still fits, then make it again or follow the file.`]);
  }
  if (standing.tenant && standing.tenant.said !== 'step') lines.push(['shadow', 'Changed', `Stage ${standing.tenant.stage} stands by change ${standing.tenant.number}, not by the file.`]);
  for (const one of standing.buttons) lines.push(['shadow', 'Changed', `Button ${one.button}: ${one.stage} stands by change ${one.number}.`]);
  if (standing.panic) lines.push(['bad', 'Panic file', `It says “${standing.panic}”; plan and changes do not count.`]);
  if (standing.frozen) lines.push(['shadow', 'Frozen', `Since ${instant(standing.frozen.at)}, change ${standing.frozen.number}.`]);
  if (standing.acknowledgement || file.acknowledgement) {
    const vouched = standing.acknowledgement || file.acknowledgement;
    lines.push(['warn', 'Vouched', `Legacy until ${instant(vouched.until)}, says ${vouched.by}: ${vouched.reason}`]);
  }
  if (plan.pastRemoval) lines.push(['shadow', 'Gone', `Legacy was seen to be gone at ${instant(plan.pastRemoval)}.`]);
  return lines;
}

const history = (all) => (all.length
  ? h('ol', { class: 'history' }, all.map((one) => h('li', {},
    h('p', {}, h('strong', {}, action(one.action)), ' ', h('span', { class: 'soft' }, `#${one.number}`)),
    h('p', { class: 'why' }, one.why), h('p', { class: 'soft' }, `${one.who}, `, h('time', { datetime: one.at }, instant(one.at))))))
  : empty('Nobody has changed anything; the file alone counts.'));

/** What shadowed chats showed since the process started: codes and numbers alone. */
function shadow({ counts }) {
  if (!counts.length) return null;
  return h('section', { class: 'card', 'aria-label': 'Shadow' }, h('h2', {}, 'What shadowed chats showed'), counts.map((one) => [
    h('p', {}, `${count(one.inits, 'chat')} translated, ${one.unreadable} unreadable, since ${instant(one.since)}.`),
    Object.keys(one.findings).length ? table('Findings', ['Code', 'Chats', 'Findings'], Object.entries(one.findings).map(([code, seen]) => [code, String(seen.inits), String(seen.findings)]))
      : empty('Nothing would be lost.')]));
}

/** A sentence without the lot, which is the same for every look. */
const plain = (text) => sentence(text).replace(/: draw \d+ .*$/, '');

/** Where new chats go; shared, where the first and the last of a ramp differ. */
const answer = (row, last) => (last && last.at === row.at && last.route !== row.route ? chip('ramp', 'shared')
  : chip({ miaw: 'miaw', legacy: 'legacy', refused: 'bad' }[row.route], ROUTES[row.route]));

const budget = (one) => (one ? `${one.maxShare} % of ${one.minChats} chats or more within ${count(one.windowSeconds / 60, 'minute')}, then it rolls back` : 'none');

export function tenant({ person, param: id, again }) {
  const place = Object.fromEntries(['tiles', 'notes', 'picture', 'held', 'others', 'history', 'calendar', 'shadow', 'about'].map((name) => [name, h('div', {})]));
  const when = h('input', { type: 'datetime-local', step: 60 });
  const reset = h('button', { class: 'quiet', type: 'button', onclick: () => { when.value = ''; seen = ''; again(); } }, 'Now');
  let plan = null;
  let seen = '';
  let list = [];
  let listed = -1;
  when.addEventListener('change', () => { seen = ''; again(); });

  async function load() {
    const looked = when.value ? `${when.value}:00Z`.replace(/(T\d\d:\d\d:\d\d):00Z$/, '$1Z') : null;
    const [now, other, shadowed, one, status] = await Promise.all([planAt(id), planAt(id, looked, LAST_DRAW), get(`${at(id)}/shadow`), get(at(id)), get('/admin/v1/status')]);
    const asked = looked ? await planAt(id, looked) : now;
    if (listed !== now.lastChange) {
      list = await changes(id, HISTORY);
      listed = now.lastChange;
    }
    plan = now;
    // The clock moves with every look; what is drawn changes far less often.
    const print = JSON.stringify([one, now.fingerprint, now.lastChange, asked.decision, looked, shadowed, status.now.slice(0, 16)]);
    if (print === seen) return;
    seen = print;
    const left = days(now.file.removal, status.now);
    put(place.tiles, h('dl', { class: 'tiles' },
      tile('Stage', chip(tone(one.stage), one.stage), now.inForce ? `since ${instant(now.inForce.since)}` : 'by the calendar'),
      tile('New chats on MIAW', share(one.miawPercent), plain(now.decision.sentence)),
      tile(left >= 0 ? 'Until removal' : 'Since removal', count(Math.abs(left < 0 ? left + 1 : left), 'day'), instant(now.file.removal)),
      tile('Live chats', String(one.liveChats), `on MIAW; ${one.relayedChats} on legacy`),
      tile('Evidence', chip(...evidence(one.evidence, status.now)), one.evidence && one.evidence.report ? h('a', { href: `#/reports/${encodeURIComponent(id)}/${one.evidence.report}` }, `report ${one.evidence.report.slice(0, 12)}`) : now.file.evidenceRequired ? 'required for a move to MIAW' : 'not required')));
    put(place.notes, drift(now).map(([level, word, text]) => h('p', { class: `note-line ${level}` }, chip(level, word), ' ', text)));
    const picture = timeline(asked === now ? { ...now, at: status.now } : asked, other.calendar, status.now);
    put(place.picture, picture);
    const what = asked === now ? 'Now' : `At ${instant(asked.at)}`;
    put(place.held, h('p', { role: 'status' }, h('strong', {}, `${what}: `), `${asked.miawPercent} of 100 new chats go to MIAW. Because: ${plain(asked.decision.sentence)}`));
    put(place.others, person.operates ? h('div', { class: 'actions' }, otherMoves(now, again)) : null);
    put(place.history, history(list));
    put(place.calendar, table('Calendar', ['When', 'What', 'A new chat'], asked.calendar.map((row, index) => [row, other.calendar[index]]).filter(([row]) => row.at >= asked.at).map(([row, last]) => [row.local, sentence(row.label), h('span', {}, answer(row, last), ' ', plain(row.sentence))])));
    put(place.shadow, shadow(shadowed));
    put(place.about, about(one, now));
  }

  const moves = person.operates
    ? h('section', { class: 'card', 'aria-label': 'Move' }, h('h2', {}, 'Move'), stageForm(() => plan, () => again()), place.others)
    : h('section', { class: 'card', 'aria-label': 'Move' }, h('h2', {}, 'Move'), h('p', { class: 'soft' }, 'Your token has the role “read”: it looks and does not change.'));
  const aside = h('div', { class: 'actions' },
    h('a', { class: 'button quiet', href: `#/mapping/${encodeURIComponent(id)}` }, 'Mapping'),
    h('a', { class: 'button quiet', href: `#/reports/${encodeURIComponent(id)}` }, 'Reports'),
    h('a', { class: 'button quiet', href: `#/chats/${encodeURIComponent(id)}` }, 'Chats'),
    person.operates ? h('button', { type: 'button', class: 'danger', id: 'roll-back', onclick: () => plan && rollBack(plan, again) }, 'Roll back …') : null);
  const body = h('div', { class: 'stack' }, place.tiles, place.notes,
    h('section', { class: 'card', 'aria-label': 'Timeline' }, h('h2', {}, 'Timeline'), h('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Picture of the plan' }, place.picture),
      h('div', { class: 'look' }, field('What would happen at (UTC)', when), reset), place.held),
    h('div', { class: 'two' }, moves, h('section', { class: 'card', 'aria-label': 'History' }, h('h2', {}, 'History'), place.history)),
    place.shadow,
    h('section', { class: 'card', 'aria-label': 'Calendar' }, h('h2', {}, 'Calendar'), place.calendar),
    h('section', { class: 'card', 'aria-label': 'Configuration' }, h('h2', {}, 'Configuration'), place.about));
  return { title: id || 'Tenant', body, load, aside };
}

function about(one, plan) {
  const pair = (name, value) => [h('dt', {}, name), h('dd', {}, value || '–')];
  return h('dl', { class: 'pairs' },
    pair('Hosts', one.hosts.join(', ')),
    pair('Live Agent', one.legacy ? `${one.legacy.baseUrl} · org ${one.legacy.organizationId} · deployment ${one.legacy.deploymentId}` : 'none'),
    pair('MIAW', `${one.miaw.baseUrl} · org ${one.miaw.organizationId} · ${one.miaw.developerName}`),
    pair('Captures traffic', one.capturing ? 'yes' : 'no'),
    pair('Error budget', budget(plan.file.budget)),
    pair('Zone of the plan', plan.file.zone),
    pair('Plan of the file', plan.file.fingerprint),
    pair('What holds', plan.fingerprint));
}
