// What a person may change about a tenant: each change with a reason, each refusal as a sentence.

import { at, get, post } from './api.js';
import { ask, chip, field, h, put, say, table } from './dom.js';
import { action, instant, sentence } from './words.js';

/** A dialog opens after this long, whether its preview has come or not. */
const PATIENCE_MS = 1000;
const STAGES = ['legacy', 'shadow', 'ramp', 'miaw', 'complete'];
const MEANS = {
  legacy: 'All new chats go to Live Agent.',
  shadow: 'All new chats go to Live Agent; what MIAW would get is counted.',
  miaw: 'All new chats go to MIAW.',
  complete: 'MIAW for good: the move is over.',
};

/** The reason that is kept in the change list. */
function reasonField() {
  const input = h('textarea', { rows: 2, required: true, maxlength: 1000 });
  return [input, field('Reason', input, 'It is kept in the change list, under your name.')];
}

const whenField = (label, hint) => {
  const input = h('input', { type: 'datetime-local', required: true, step: 60 });
  return [input, field(`${label} (UTC)`, input, hint)];
};
const utc = (input) => `${input.value}Z`.replace(/T(\d\d:\d\d)Z$/, 'T$1:00Z');

function buttonField(plan) {
  const known = [...new Set([...plan.file.buttons, ...plan.standing.buttons].map((one) => one.button))];
  if (!known.length) return [null, null];
  const input = h('select', {}, h('option', { value: '' }, 'the whole tenant'), known.map((id) => h('option', { value: id }, `button ${id}`)));
  return [input, field('For', input)];
}

/** How many of 100 new chats go where, in words. */
const shares = (moment) => (moment.refusedPercent ? `${moment.miawPercent} on MIAW, ${moment.refusedPercent} refused` : `${moment.miawPercent} on MIAW`);
const told = (moment) => h('span', {}, h('strong', {}, shares(moment)), h('br', {}), h('span', { class: 'soft' }, `stage ${moment.stage}`));

/** What the change would do, by the rules that would take or refuse it; asked anew when it differs. */
function preview(plan) {
  const box = h('div', { class: 'effect', role: 'status' });
  let asked = '';
  const show = async (wanted) => {
    const body = JSON.stringify(wanted);
    if (!wanted || body === asked) return;
    asked = body;
    let seen;
    try {
      seen = await post(`${at(plan().tenant)}/changes/preview`, { action: wanted, ...(wanted.button ? { button: wanted.button } : {}) });
    } catch (error) {
      if (error.status === undefined) throw error;
      seen = { taken: false, detail: error.message, ahead: [] };
    }
    if (body !== asked) return;
    if (!seen.taken) {
      put(box, h('p', {}, chip('bad', 'would be refused'), ' ', sentence(seen.detail)));
      return;
    }
    const { evidence } = plan().standing;
    const relies = wanted.kind === 'stage' && evidence && !wanted.withoutEvidence
      ? h('p', { class: 'soft' }, `Relies on the dry run of ${instant(evidence.madeAt)} with ${evidence.errors} errors`, evidence.report ? [', report ', h('a', { href: `#/reports/${encodeURIComponent(plan().tenant)}/${evidence.report}` }, evidence.report.slice(0, 12))] : `, evidence ${evidence.hash.slice(0, 12)}`, '.') : null;
    const rows = [{ ...seen.now, label: 'Now' }, ...seen.ahead.map((row) => ({ ...row, label: instant(row.at) }))];
    put(box, h('p', {}, h('strong', {}, 'What would happen'), ' to 100 new chats. Chats in progress stay where they are.'),
      table('What would happen', ['When', 'Without the change', 'With it'], rows.map((row) => [row.label, told(row.before),
        JSON.stringify(row.before) === JSON.stringify(row.after) ? h('span', { class: 'soft' }, 'the same') : told(row.after)])), relies);
  };
  return [box, show];
}

/** Makes a change with the number the person has seen. */
async function propose(plan, why, wanted, again) {
  const made = await post(`${at(plan.tenant)}/changes`, { expected: plan.lastChange, why, action: wanted });
  say(`Done: change ${made.number}. ${action(made.action)}`);
  await again();
}

/** Asks for the reason and whatever else, then makes the change. */
async function change(plan, again, { title, text, fields = [], yes, danger, wanted }) {
  const [why, reason] = reasonField();
  const [box, show] = preview(() => plan);
  const inputs = h('div', {}, fields);
  // A window that is not filled in yet is no change.
  const look = async () => { if ([...inputs.querySelectorAll('input, select')].every((one) => one.checkValidity())) await show(wanted()); };
  inputs.addEventListener('input', look);
  // Known before the dialog opens, so that nothing moves in it; a slow answer is not waited for.
  await Promise.race([look(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  ask({ title, text, fields: [inputs, box, reason], yes, danger, act: () => propose(plan, why.value, wanted(), again) });
}

export function rollBack(plan, again) {
  const [button, choose] = buttonField(plan);
  change(plan, again, {
    title: `Roll ${plan.tenant} back`,
    text: 'New chats go to Live Agent again, until somebody moves on. Chats in progress stay where they are. After the removal it is refused, unless somebody vouches for legacy first.',
    fields: [choose],
    yes: 'Roll back',
    danger: true,
    wanted: () => ({ kind: 'rollBack', ...(button && button.value ? { button: button.value } : {}) }),
  });
}

/** The form that moves a tenant to another stage. It is not drawn anew while somebody uses it. */
export function stageForm(current, again) {
  const percent = h('input', { type: 'range', min: 1, max: 99, value: 10, id: 'ramp' });
  const figure = h('output', { for: 'ramp', class: 'figure' }, '10 %');
  const [effect, show] = preview(current);
  const means = h('p', { class: 'soft means' });
  const skip = h('input', { type: 'checkbox' });
  const ramp = h('div', { class: 'field', hidden: true }, h('label', { for: 'ramp' }, 'Share of new chats on MIAW'), h('div', { class: 'slider' }, percent, figure));
  const radios = STAGES.map((stage) => h('label', { class: 'pick' }, h('input', { type: 'radio', name: 'stage', value: stage, required: true }), h('span', {}, stage)));
  const go = h('button', { type: 'submit' }, 'Move …');
  const form = h('form', {}, h('fieldset', {}, h('legend', {}, 'Stage'), h('div', { class: 'picks' }, radios)), ramp,
    h('label', { class: 'check' }, skip, ' Without evidence; the reason says why'), means, h('div', { class: 'actions' }, go),
    // Below the button, which must not move away from under a finger when the answer comes.
    effect);
  const chosen = () => new FormData(form).get('stage');
  const stage = () => (chosen() === 'ramp' ? `ramp ${percent.value} %` : chosen());
  const wanted = () => ({ kind: 'stage', stage: stage(), ...(skip.checked ? { withoutEvidence: true } : {}) });
  function changed() {
    ramp.hidden = chosen() !== 'ramp';
    figure.textContent = `${percent.value} %`;
    if (!chosen() || !current()) return;
    const said = MEANS[chosen()] || `${percent.value} of 100 new chats go to MIAW, the others to Live Agent.`;
    means.textContent = `${said} Removal, margin and brown-outs stand above it.`;
    show(wanted());
  }
  form.addEventListener('input', changed);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const plan = current();
    const [button, choose] = buttonField(plan);
    change(plan, again, {
      title: `Move ${plan.tenant} to ${stage()}`,
      text: means.textContent,
      fields: [choose],
      yes: 'Move',
      wanted: () => ({ ...wanted(), ...(button && button.value ? { button: button.value } : {}) }),
    });
  });
  return form;
}

/** The other changes, as buttons. */
export function otherMoves(plan, again) {
  const button = (name, given) => h('button', { class: 'quiet', type: 'button', 'data-key': name, onclick: () => change(plan, again, given()) }, `${name} …`);
  const { standing } = plan;
  const plain = (name, title, text, kind) => button(name, () => ({ title, text, yes: name, wanted: () => ({ kind }) }));
  return [
    standing.frozen
      ? plain('Unfreeze', `Let ${plan.tenant} go on`, 'The plan in the file counts again from now on.', 'unfreeze')
      : plain('Freeze', `Freeze ${plan.tenant}`, 'No step of the file begins until somebody lets it go on. The removal still counts.', 'freeze'),
    button('Brown-out', () => {
      const [from, one] = whenField('From', 'Legacy starts no chats in the window.');
      const [until, other] = whenField('Until');
      return { title: `A brown-out for ${plan.tenant}`, text: 'New chats for legacy are refused in a window, to show what its end will be like.', fields: [one, other], yes: 'Plan it', danger: true, wanted: () => ({ kind: 'brownout', from: utc(from), until: utc(until) }) };
    }),
    standing.brownouts.length ? plain('End brown-out', 'End the brown-out', 'New chats are taken again.', 'endBrownout') : null,
    standing.tenant || standing.buttons.length
      ? plain('Follow the file', `${plan.tenant} follows its file`, 'What was changed here no longer counts; the steps of the file do.', 'follow') : null,
    button('Vouch for legacy', () => {
      const [until, one] = whenField('Until', 'The removal is taken to be later.');
      return { title: 'Vouch that legacy still answers', text: 'Only when Salesforce has told you so in writing.', fields: [one], yes: 'Vouch', wanted: () => ({ kind: 'acknowledge', until: utc(until) }) };
    }),
    standing.acknowledgement ? plain('Withdraw the vouching', 'Withdraw the vouching', 'The removal of the file counts again.', 'withdrawAcknowledgement') : null,
  ];
}

/** What would hold at an instant, by the router itself. */
export function planAt(tenant, instant, draw) {
  const query = new URLSearchParams();
  if (instant) query.set('at', instant);
  if (draw) query.set('draw', draw);
  return get(`${at(tenant)}/plan?${query}`);
}
