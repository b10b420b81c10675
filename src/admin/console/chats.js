// The chats of all nodes, translated and relayed, never a word of what was said.

import { get, post } from './api.js';
import { ask, chip, empty, field, h, put, say, table } from './dom.js';
import { PHASES, ROUTES, from, instant, phaseTone, sentence } from './words.js';

/** The most chats shown at once. */
const MOST = 200;
/** The id as far as it tells chats apart. */
const short = (id) => id.slice(0, id.startsWith('legacy-') ? 15 : 8);
/** The points that a message passes, in order, and what each means in either direction. */
const POINTS = [['received', 'Received'], ['stored', 'Stored'], ['sent', 'Sent'], ['accepted', 'Accepted'], ['delivered', 'Delivered'], ['acked', 'Acked']];
const FATES = { open: ['warn', 'on its way'], done: ['good', 'arrived'], givenUp: ['bad', 'given up'], unknown: ['soft', 'not known'] };

/** `+12 ms`, `+3.4 s` after the message came. */
function after(one, point) {
  const [first, at] = [Date.parse(one.received), Date.parse(one[point])];
  if (!one.received || point === 'received') return one[point].slice(11, 19);
  const millis = at - first;
  return millis < 1000 ? `+${Math.max(millis, 0)} ms` : `+${(millis / 1000).toFixed(1)} s`;
}

/** How far each message has come; times and ids, never words. */
function checkpoints(messages) {
  if (!messages.length) return empty('No message has passed yet.');
  const row = (one) => [
    h('span', {}, h('strong', {}, `${one.from === 'visitor' ? 'Visitor' : 'To visitor'} ${one.number}`), ` ${one.kind}`,
      one.id ? h('span', { class: 'soft id', title: one.id }, ` ${one.id.replace(/^[A-Za-z]+:/, '').slice(0, 8)}`) : null),
    ...POINTS.map(([point]) => (one[point] ? h('time', { class: 'passed', datetime: one[point], title: instant(one[point]) }, after(one, point)) : h('span', { class: 'soft' }, '–'))),
    chip(...FATES[one.fate])];
  return table('Check-points of the newest messages', ['Message', ...POINTS.map(([, name]) => name), 'Fate'], messages.toReversed().map(row));
}

/** A relayed chat may have begun before this process saw it. */
const phaseOf = (one) => one.phase || 'not known';

export function chats({ person, param, again }) {
  const list = h('div', {});
  const detail = h('section', { class: 'card', 'aria-label': 'Chat', hidden: true });
  const phase = h('select', {}, h('option', { value: '' }, 'any phase'), PHASES.map((one) => h('option', { value: one }, one)));
  const tenant = h('select', {}, h('option', { value: '' }, 'all tenants'));
  let chosen = null;
  let ready = false;
  let seen = '';
  phase.addEventListener('change', again);
  tenant.addEventListener('change', again);

  async function choose(id) {
    chosen = id;
    seen = '';
    await again();
    detail.querySelector('h2')?.focus();
  }

  function end(one) {
    ask({
      title: 'End this chat',
      text: `The visitor gets ChatEnded and the conversation at MIAW is closed. Chat ${one.id} of ${one.tenant}.`,
      yes: 'End the chat',
      danger: true,
      act: async () => {
        const { outcome } = await post(`/admin/v1/chats/${one.id}/end`);
        say(outcome === 'ended' ? 'The chat was ended' : 'The chat was over already');
        await again();
      },
    });
  }

  function describe(one, now, messages) {
    const pair = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
    const why = one.decision;
    const relayed = one.backend === 'legacy';
    put(detail, h('div', { class: 'line' }, h('h2', { tabindex: '-1' }, `Chat ${short(one.id)}`),
      h('button', { class: 'quiet', type: 'button', 'data-key': 'close', onclick: () => { chosen = null; detail.hidden = true; again(); } }, 'Close')),
    h('dl', { class: 'pairs' },
      pair('Chat', one.id), pair('Tenant', one.tenant), one.node ? pair('Node', one.node) : null, relayed ? null : pair('Button', one.button || '–'),
      pair('Phase', chip(phaseTone(one.phase), phaseOf(one))),
      pair('Route', why ? `${ROUTES[why.route]}, decided ${instant(why.at)}: ${sentence(why.sentence)}` : 'the reason was not written down'),
      pair('Began', one.began ? `${instant(one.began)}, ${from(one.began, now)}` : '–'),
      ...(relayed ? [pair('Last sequence', String(one.sequence))] : [
        pair('Visitor’s messages', String(one.messagesFromVisitor)),
        pair('Events for the visitor', `${one.eventsForVisitor}, ${one.eventsWaiting} not fetched yet`),
        pair('Still to be done at MIAW', one.pendingOperations.join(', ') || 'nothing'),
        pair('Event stream', one.streamOpen ? 'open' : 'not open'),
        pair('Token ends', one.tokenEnds ? `${instant(one.tokenEnds)}, ${from(one.tokenEnds, now)}` : '–')])),
    relayed ? h('p', { class: 'soft' }, 'A relayed chat’s messages pass by and are not kept, so there are no check-points of them.')
      : h('div', { class: 'points' }, h('h3', {}, 'Check-points'), h('p', { class: 'soft' }, 'Accepted: MIAW took it, or the answer was written to the client in full. Delivered: its echo came back, or the client’s next request says so. The newest are first; words are never shown.'), checkpoints(messages)),
    person.operates && !relayed && one.phase !== 'ended' ? h('div', { class: 'actions' }, h('button', { class: 'danger', type: 'button', 'data-key': 'end', onclick: () => end(one) }, 'End the chat …')) : null);
    detail.hidden = false;
  }

  async function load() {
    if (!ready) {
      const { tenants } = await get('/admin/v1/tenants');
      tenant.append(...tenants.map((one) => h('option', { value: one.id }, one.id)));
      tenant.value = tenants.some((one) => one.id === param) ? param : '';
      ready = true;
    }
    const query = new URLSearchParams({ limit: MOST });
    if (phase.value) query.set('phase', phase.value);
    if (tenant.value) query.set('tenant', tenant.value);
    const [{ chats: all, next, silentNodes }, { now }] = await Promise.all([get(`/admin/v1/chats?${query}`), get('/admin/v1/status')]);
    const one = chosen && await get(`/admin/v1/chats/${chosen}`).catch((error) => {
      if (error.status !== 404) throw error;
      chosen = null;
      detail.hidden = true;
    });
    const messages = one && one.backend !== 'legacy' ? (await get(`/admin/v1/chats/${chosen}/messages`)).messages : [];
    const print = JSON.stringify([all, silentNodes, one, messages, now.slice(0, 18)]);
    if (print === seen) return;
    seen = print;
    const heads = ['Chat', 'Tenant', 'Phase', 'Backend', 'Reason', 'Messages', 'Last event'];
    put(list, all.length ? table('Chats', heads, all.map((each) => [
      h('button', { class: 'link', type: 'button', 'data-key': each.id, onclick: () => choose(each.id) }, short(each.id)),
      each.tenant, chip(phaseTone(each.phase), phaseOf(each)), ROUTES[each.backend], each.reason ? sentence(each.reason) : '–',
      each.backend === 'legacy' ? '–' : `${each.messagesFromVisitor} in, ${each.eventsForVisitor} out`, each.lastEvent ? from(each.lastEvent, now) : '–',
    ])) : empty('No chat is live.'),
    next ? h('p', { class: 'soft' }, `The first ${MOST} are shown; choose a tenant or a phase.`) : null,
    silentNodes.length ? h('p', { class: 'soft' }, `Without the chats of ${silentNodes.join(', ')}: no answer.`) : null);
    if (one) describe(one, now, messages);
  }

  const body = h('div', { class: 'stack' },
    h('section', { class: 'card', 'aria-label': 'Live chats' }, h('div', { class: 'fields' }, field('Tenant', tenant), field('Phase', phase)), list), detail);
  return { title: 'Chats', body, load };
}
