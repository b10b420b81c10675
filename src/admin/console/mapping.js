// Where each value of a pre-chat goes, by the function that translates live chats. Nothing is kept.

import { at, get, post } from './api.js';
import { chip, download, empty, field, h, put, say, table, trouble } from './dom.js';

/** Pre-chat documents that everybody may try. */
export const SAMPLES = [['cognigy-page', 'Cognigy provider page'], ['contact-and-case', 'Contact and case'], ['copilot', 'Copilot link'], ['variants', 'Spelling variants']];
const FATES = { sent: ['good', 'sent'], cut: ['warn', 'cut'], collapsed: ['soft', 'sent once'], empty: ['soft', 'empty'], dropped: ['bad', 'left out'], unplaced: ['bad', 'nowhere to go'] };
const SEVERITIES = { error: 'bad', warning: 'warn', warn: 'warn', info: 'shadow', note: 'shadow' };

function flow(result) {
  const one = (each) => {
    const size = each.limit ? `${each.length} of ${each.limit}` : String(each.length);
    return [h('span', {}, h('strong', {}, each.source), h('br', {}), h('code', { class: 'soft' }, each.path)), each.key ? h('code', {}, each.key) : '–', h('span', { class: 'value' }, each.value ?? '–'), chip(...FATES[each.fate]), size, each.because];
  };
  return result.fields.length ? table('Field by field', ['Field', 'Attribute', 'Value', 'What becomes of it', 'Length', 'Because'], result.fields.map(one)) : empty('The document has no pre-chat.');
}

const findings = (result) => (result.findings.length
  ? h('ul', { class: 'attention' }, result.findings.map((one) => h('li', {}, chip(SEVERITIES[one.severity] || 'shadow', one.severity), h('span', {}, h('strong', {}, `${one.code} ${one.slug}`), ' — ', one.message, ' ', h('code', { class: 'soft' }, one.path)))))
  : empty('Nothing is lost.'));

/** What another mapping changes. */
function difference(before, after) {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const rows = keys.filter((key) => before[key] !== after[key]).map((key) => {
    const word = !(key in before) ? ['good', 'added'] : !(key in after) ? ['bad', 'gone'] : ['warn', 'changed'];
    return [h('code', {}, key), chip(...word), h('span', { class: 'value' }, before[key] ?? '–'), h('span', { class: 'value' }, after[key] ?? '–')];
  });
  return rows.length ? table('Difference', ['Attribute', 'What', 'In force', 'Edited'], rows) : empty('The attributes are the same.');
}

export function mapping({ param }) {
  const tenant = h('select', {});
  const sample = h('select', {}, h('option', { value: '' }, 'your own'), SAMPLES.map(([id, name]) => h('option', { value: id }, name)));
  const file = h('select', {});
  const prechat = h('textarea', { rows: 16, class: 'code', spellcheck: 'false', autocomplete: 'off' });
  const text = h('textarea', { rows: 16, class: 'code', spellcheck: 'false', autocomplete: 'off' });
  const out = h('div', { class: 'stack', id: 'result' });
  const chooseFile = h('div', { hidden: true }, field('Mapping file', file, 'The tenant has several; one is edited at a time.'));
  let files = [];
  let name = 'mapping.toml';
  let loaded = '';

  async function openFiles() {
    ({ files } = await get(`${at(tenant.value)}/mapping`));
    file.replaceChildren(...files.map((one, index) => h('option', { value: index }, one.name)));
    chooseFile.hidden = files.length < 2;
    openFile();
  }
  function openFile() {
    const one = files[file.value || 0];
    name = one ? one.name : 'mapping.toml';
    loaded = one ? one.text : '';
    text.value = loaded;
    out.replaceChildren();
  }
  async function openSample() {
    if (!sample.value) return;
    prechat.value = await (await fetch(`samples/${sample.value}.json`)).text();
  }

  async function tried() {
    const path = `${at(tenant.value)}/mapping/try`;
    const asked = { prechat: prechat.value };
    const edited = text.value.trim() !== '' && text.value !== loaded;
    try {
      const own = await post(path, asked);
      const result = edited ? await post(path, { ...asked, mapping: text.value, ...(files.length > 1 ? { file: name } : {}) }) : own;
      const by = { given: files.length > 1 ? `the edited ${name}, the other files as they are` : 'the edited mapping', tenant: 'the mapping in force', builtIn: 'the built-in rules alone' }[result.by];
      const attributes = JSON.stringify(result.routingAttributes, null, 2);
      const card = (title, ...rest) => h('section', { class: 'card', 'aria-label': title }, h('h2', {}, title), rest);
      put(out,
        card('Field by field', h('p', { class: 'soft' }, `By ${by}. ${result.verifiedUser ? 'A detail names the verified user; it is no attribute.' : ''}`), flow(result)),
        edited ? card('Difference to what is in force', difference(own.routingAttributes, result.routingAttributes)) : null,
        card('Findings', findings(result)),
        h('div', { class: 'two' },
          card('Routing attributes', h('pre', { tabindex: '0', id: 'attributes' }, attributes)),
          card('Opening message', result.openingMessage ? h('pre', { tabindex: '0' }, result.openingParts.join('\n— next message —\n')) : empty('None.'))));
      say(`Tried: ${result.fields.length} fields, ${result.findings.length} findings`);
    } catch (error) {
      if (error.status === undefined) throw error;
      put(out, trouble(error));
    }
  }

  async function load() {
    const { tenants } = await get('/admin/v1/tenants');
    tenant.replaceChildren(...tenants.map((one) => h('option', { value: one.id }, one.id)));
    if (!tenants.length) {
      put(out, empty('No tenant is in your scope.'));
      return;
    }
    if (tenants.some((one) => one.id === param)) tenant.value = param;
    await openFiles();
    sample.value = 'contact-and-case';
    await openSample();
    await tried();
  }

  const form = h('form', { class: 'card' },
    h('div', { class: 'fields' }, field('Tenant', tenant), field('Sample', sample), chooseFile),
    h('div', { class: 'two' }, field('Pre-chat', prechat, 'A whole ChasitorInit, or its prechatDetails and prechatEntities. It goes to this bridge and nowhere else; nothing is kept.'),
      field('Mapping', text, 'TOML or JSON. Edit it to see the difference; the bridge’s own file does not change.')),
    h('div', { class: 'actions' }, h('button', { type: 'submit' }, 'Try'),
      h('button', { class: 'quiet', type: 'button', onclick: () => download(name, text.value) }, 'Download this file'),
      h('button', { class: 'quiet', type: 'button', onclick: () => { text.value = loaded; tried(); } }, 'Undo edits')));
  form.addEventListener('submit', (event) => { event.preventDefault(); tried(); });
  form.addEventListener('keydown', (event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) tried(); });
  const safely = (act) => () => act().catch((error) => put(out, trouble(error)));
  tenant.addEventListener('change', safely(async () => { await openFiles(); await tried(); }));
  sample.addEventListener('change', safely(async () => { await openSample(); await tried(); }));
  file.addEventListener('change', openFile);
  return { title: 'Mapping', body: h('div', { class: 'stack' }, form, out), load, once: true };
}
