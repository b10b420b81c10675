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
