// Making elements. Strings become text, never markup: names of tenants are hostile until shown.

const SVG = 'http://www.w3.org/2000/svg';

function fill(made, given, children) {
  for (const [name, value] of Object.entries(given || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'value') made.value = value;
    else made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

/** An element with attributes (`onclick` and the like are listeners) and children. */
export const h = (tag, given, ...children) => fill(document.createElement(tag), given, children);

/** The same for pictures. */
export const s = (tag, given, ...children) => fill(document.createElementNS(SVG, tag), given, children);

/** Replaces what is in a place; the focus stays on what has the same `data-key`. */
export function put(place, ...children) {
  const active = document.activeElement;
  const key = place.contains(active) && active.dataset ? active.dataset.key : undefined;
  place.replaceChildren(...children.flat().filter((one) => one));
  if (!key) return;
  const again = [...place.querySelectorAll('[data-key]')].find((one) => one.dataset.key === key);
  if (again) again.focus({ preventScroll: true });
}

/** Tells people who do not see the page. */
export function say(text) {
  document.getElementById('say').textContent = text;
}

/** A word with a colour; the word alone says it too. */
export const chip = (tone, text) => h('span', { class: `chip ${tone}` }, text);

export const empty = (text) => h('p', { class: 'empty' }, text);

/** A table whose rows become cards on a phone; a cell is text or an element. */
export function table(caption, heads, rows) {
  const cell = (one, at) => {
    const given = { 'data-label': heads[at] };
    return at === 0 ? h('th', { scope: 'row', ...given }, one) : h('td', given, one);
  };
  return h('div', { class: 'scroll' }, h('table', {},
    h('caption', { class: 'unseen' }, caption),
    h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))),
    h('tbody', {}, rows.map((row) => h('tr', {}, row.map(cell))))));
}

/** A labelled field with a hint. */
let last = 0;
export function field(label, input, hint) {
  last += 1;
  input.id ||= `field-${last}`;
  const note = hint ? h('small', { id: `${input.id}-hint`, class: 'soft' }, hint) : null;
  if (note) input.setAttribute('aria-describedby', note.id);
  return h('div', { class: 'field' }, h('label', { for: input.id }, label), input, note);
}

/** What went wrong, as a sentence that is read out. */
export function trouble(error) {
  const problems = error.problem && error.problem.problems;
  return h('div', { class: 'trouble', role: 'alert' },
    h('p', {}, h('strong', {}, error.title || 'That did not work'), ': ', error.message),
    problems ? h('pre', { tabindex: '0' }, problems) : null);
}

/** Asks before something is done. Answers nothing when it is given up. */
export function ask({ title, text, fields = [], yes, danger, act }) {
  const wrong = h('div', {});
  const go = h('button', { class: danger ? 'danger' : '', type: 'submit' }, yes);
  const close = h('button', { class: 'quiet', type: 'button', onclick: () => box.close() }, 'Cancel');
  const form = h('form', { method: 'dialog' }, h('h2', { id: 'ask-title' }, title),
    text ? h('p', {}, text) : null, fields, wrong, h('div', { class: 'actions' }, go, close));
  const box = h('dialog', { 'aria-labelledby': 'ask-title' }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await act();
      box.close();
    } catch (error) {
      put(wrong, trouble(error));
    }
    go.disabled = false;
  });
  box.addEventListener('close', () => box.remove());
  document.body.append(box);
  box.showModal();
  const first = form.querySelector('input, textarea, select');
  if (first) first.focus();
}

/** Saves a text as a file. */
export function download(name, text, type = 'application/octet-stream') {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
