// Small helpers: finding and making elements, writing instants and answers.

export const by = (id) => document.getElementById(id);

/** An element with a class and children; strings become text, never markup. */
export function make(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Replaces the rows of a list and stays at its end if it was there. */
export function showLines(list, rows) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 48;
  list.replaceChildren(...rows);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

const two = (number) => String(number).padStart(2, '0');
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
  'September', 'October', 'November', 'December'];

/** `14 February 2026`, in UTC. */
export function day(millis) {
  const at = new Date(millis);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
}

/** `14 Feb`, in UTC. */
export function shortDay(millis) {
  const at = new Date(millis);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()].slice(0, 3)}`;
}

/** `09:30`, in UTC. */
export function minute(millis) {
  const at = new Date(millis);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

/** `09:30:05`, in UTC. */
export function second(millis) {
  return `${minute(millis)}:${two(new Date(millis).getUTCSeconds())}`;
}

/** Posts JSON and reads the answer; one that is no success is thrown as its text. */
export async function post(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body || {}),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text ? JSON.parse(text) : null;
}

/** The words for a route. */
export const ROUTES = { legacy: 'Live Agent', miaw: 'MIAW' };

/** A chip with a chat's letter, colored by its route once that is known. */
export function chip(letter, route) {
  return make('span', `chip ${route || ''}`, letter || '·');
}

/** A request or an answer with its JSON body indented. */
export function pretty(text) {
  return text.split(/(?=^\{.*\}$)/m).map((part) => {
    try {
      return JSON.stringify(JSON.parse(part), null, 2);
    } catch {
      return part.replace(/^(data: )(\{.*\})$/m, (_, name, json) => {
        try {
          return `${name}${JSON.stringify(JSON.parse(json), null, 2)}`;
        } catch {
          return `${name}${json}`;
        }
      });
    }
  }).join('');
}

/** One stop for the Tab key in a list of buttons; arrow keys, Home and End move within. */
export function roving(list, selector, focused) {
  const all = [...list.querySelectorAll(selector)];
  const stays = all.find((one) => (focused ? one.dataset.key === focused : one === document.activeElement));
  const stop = stays || all.at(-1);
  for (const one of list.querySelectorAll('[data-key]')) {
    one.tabIndex = one === stop ? 0 : -1;
  }
  if (focused && stays) stays.focus({ preventScroll: true });
  if (list.dataset.roving) return;
  list.dataset.roving = 'yes';
  list.addEventListener('keydown', (event) => {
    const now = [...list.querySelectorAll(selector)];
    const at = now.indexOf(document.activeElement);
    const next = {
      ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1,
      Home: 0, End: now.length - 1,
    }[event.key];
    if (at === -1 || next === undefined || !now[next]) return;
    event.preventDefault();
    now[at].tabIndex = -1;
    now[next].tabIndex = 0;
    now[next].focus();
  });
}

/** Waits until a function answers something true; throws after a while. */
export async function until(what, look, within = 20000) {
  const latest = performance.now() + within;
  for (;;) {
    const found = look();
    if (found) return found;
    if (performance.now() > latest) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 60); });
  }
}

/** A pause for people to look. */
export const pause = (millis) => new Promise((resolve) => { setTimeout(resolve, millis); });
