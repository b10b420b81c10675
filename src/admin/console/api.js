// The admin API, as docs/openapi.json describes it; nothing else is ever asked.

const KEY = 'liveagent-bridge-token';
/** Pages of a tenant's changes that are read. */
const PAGES_MAX = 20;

/** A problem document, or a network that did not answer. */
export class Trouble extends Error {
  constructor(status, problem) {
    super(problem.detail);
    Object.assign(this, { status, problem, title: problem.title, code: problem.code });
  }
}

/** Who signed in, as the token says; the API decides anew with every request. */
export function caller() {
  const token = sessionStorage.getItem(KEY);
  if (!token) return null;
  try {
    const part = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(part), (one) => one.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    const roles = [claims.role, claims.roles].flat();
    const operates = roles.includes('operate');
    return { name: String(claims.sub), operates, whole: [claims.tenants].flat().includes('*'), ends: claims.exp * 1000 };
  } catch {
    return null;
  }
}

export const signOut = () => sessionStorage.removeItem(KEY);

/** Keeps a token that the API takes; throws otherwise. */
export async function signIn(token) {
  sessionStorage.setItem(KEY, token);
  try {
    if (!caller()) throw new Trouble(401, { title: 'The token is not accepted', detail: 'this is no JSON Web Token' });
    await get('/admin/v1/status');
  } catch (error) {
    signOut();
    throw error;
  }
}

async function send(method, path, body) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY) || ''}` };
  if (body) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method, headers, body, cache: 'no-store', credentials: 'omit' });
  } catch {
    throw new Trouble(0, { title: 'The bridge does not answer', detail: 'it is stopped, or the network is interrupted; this page tries again' });
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({ title: `Status ${answer.status}`, detail: 'no problem document' }));
  if (answer.status === 401) document.dispatchEvent(new CustomEvent('signed-out'));
  throw new Trouble(answer.status, problem);
}

export const text = async (path) => (await send('GET', path)).text();
export const get = async (path) => (await send('GET', path)).json();
export const post = async (path, body) => (await send('POST', path, JSON.stringify(body || {}))).json();
export const at = (tenant) => `/admin/v1/tenants/${encodeURIComponent(tenant)}`;

/** `/metrics` as a list of { name, labels, value }. */
export async function metrics() {
  const text = await (await send('GET', '/metrics')).text();
  return text.split('\n').flatMap((line) => {
    const found = line.match(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/);
    if (!found) return [];
    const labels = {};
    for (const [, name, value] of (found[2] || '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, one) => (one === 'n' ? '\n' : one));
    }
    return [{ name: found[1], labels, value: Number(found[3]) }];
  });
}

/** The newest changes of a tenant first. Numbers are those of the whole list, so all is paged. */
export async function changes(tenant, most) {
  const all = [];
  for (let after = 0, page = 0; page < PAGES_MAX && after !== null; page += 1) {
    const { changes: some, next } = await get(`${at(tenant)}/changes?after=${after}&limit=1000`);
    all.push(...some);
    after = next;
  }
  return all.slice(-most).reverse();
}
