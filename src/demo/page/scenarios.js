// What the scenario buttons do. Each does the real thing, waits until it has come about, and says
// in a sentence what there was to see.

import { count, letters, routeOf } from './board.js';
import { asAgent, deskChat, showAtDesk } from './desk.js';
import { by, pause, post, until } from './dom.js';
import { moveTo, removed } from './timeline.js';
import { begin, makeRoom, routeOfChat, running, sayIn, select } from './visitor.js';

const CROWD = 20;
const OUTAGE_S = 8;
/** How long the bridge stays down. */
const DOWN_MS = 3000;
/** A scenario that goes on after everything has begun anew. */
const PENDING = 'liveagent-bridge-demo-pending';

let busy = false;
let outage = false;
let tell = (text) => { by('said').textContent = text; };

/** MIAW refuses, or answers again. */
export function outageIs(on) { outage = on; }

/** Sentences go there instead, while a tour runs. */
export function tellTo(element) {
  tell = (text) => { element.textContent = text; };
}

/** The agents act by themselves, or not. */
export const agents = (auto) => post('/demo/agents', { auto });

/** Everything begins anew, and then that scenario runs. */
export async function startOver(pending) {
  if (pending) sessionStorage.setItem(PENDING, pending);
  await post('/demo/restart').catch(() => {});
}

/** A chat with an agent, of the wanted route: a running one, or a new one. */
async function talking(route) {
  const fits = (chat) => !route || routeOfChat(chat) === route;
  let chat = running().find((one) => fits(one) && one.state === 'active');
  if (!chat) {
    if (route === 'miaw' && document.body.dataset.zone === 'legacy' && !removed()) {
      await moveTo('inside');
    }
    await makeRoom();
    chat = await begin();
  }
  select(chat);
  await until('the chat at the desk', () => deskChat(chat.name));
  showAtDesk(chat.name);
  if (chat.state === 'waiting' && deskChat(chat.name).state === 'waiting') {
    // The agents may be quicker.
    await asAgent(deskChat(chat.name), 'accept').catch(() => {});
  }
  await until('an agent', () => chat.state !== 'waiting');
  return chat;
}

const agentReads = (chat, text) => () => deskChat(chat.name)?.lines.some(
  (line) => line.from === 'visitor' && line.text === text);
const timesRead = (chat, text) => deskChat(chat.name).lines.filter(
  (line) => line.from === 'visitor' && line.text === text).length;

/** Twenty chats at once. */
export async function crowd(size = CROWD) {
  const before = letters().length;
  tell(`${size} visitors start a chat …`);
  await post('/demo/crowd', { count: size });
  await until('all decisions', () => letters().length >= before + size, 40000);
  const mine = letters().slice(before);
  const on = (route) => mine.filter((letter) => routeOf(letter) === route).length;
  const active = () => count('legacy', 'active') + count('miaw', 'active');
  await until('agents for most of them', () => active() >= Math.min(before + size, size) / 2, 40000);
  tell(`${size} chats started: ${on('legacy')} on Live Agent, ${on('miaw')} on MIAW.`);
}

/** Half of the new chats go to MIAW, before the removal. */
export async function ramp() {
  if (removed()) {
    tell('Legacy is gone in this run, so everything begins anew first.');
    await startOver('ramp');
    return;
  }
  if (document.body.dataset.zone !== 'legacy') await moveTo('before');
  await post('/demo/ramp', { percent: 50 });
  await crowd();
}

async function transfer() {
  const chat = await talking();
  const before = deskChat(chat.name).agent.name;
  tell(`${before} hands the chat of ${chat.name} over …`);
  await asAgent(deskChat(chat.name), 'transfer');
  const told = () => chat.lines.find((line) => line.text.startsWith('Transferred'));
  await until('ChatTransferred', told);
  tell(`${told().text}: the visitor got ChatTransferred, and the chat goes on.`);
}

async function leave() {
  const chat = await talking('miaw');
  const { name } = deskChat(chat.name).agent;
  tell(`${name} leaves without a word. MIAW does not say that the chat is over …`);
  await asAgent(deskChat(chat.name), 'play', { play: 'leave' });
  await until('the end', () => chat.state === 'ended');
  tell('The bridge asked MIAW who is coming: nobody. So the visitor was told once: ChatEnded.');
}

/** The bridge is killed while a visitor writes, and built again from its store. */
export async function kill() {
  const chat = await talking();
  tell('The bridge is killed: no goodbye, every task gone. The visitor writes anyway …');
  await post('/demo/bridge', { up: false });
  const text = 'Did you get this while the bridge was down?';
  const said = sayIn(chat, text);
  await pause(DOWN_MS);
  tell('A new bridge is built from the store …');
  await post('/demo/bridge', { up: true });
  await said;
  await until('the message at the desk', agentReads(chat, text), 30000);
  const times = timesRead(chat, text) === 1 ? 'once' : `${timesRead(chat, text)} times`;
  tell(`The same chat goes on: the message arrived ${times}, and nobody had to reconnect.`);
}

/** MIAW refuses for some seconds while a visitor writes. */
export async function miawOutage() {
  const chat = await talking('miaw');
  tell(`MIAW answers 503 for ${OUTAGE_S} seconds. The visitor writes anyway …`);
  await post('/demo/outage', { seconds: OUTAGE_S });
  const text = 'Did you get this while MIAW was down?';
  await sayIn(chat, text);
  tell('The visitor has an OK: the message is on disk. The bridge tries again until MIAW takes it …');
  await until('MIAW', () => !outage, 20000);
  await until('the message at the desk', agentReads(chat, text), 30000);
  const times = timesRead(chat, text) === 1 ? 'once' : `${timesRead(chat, text)} times`;
  tell(`MIAW is back, and the message arrived ${times}. Nothing was lost.`);
}

/** A new chat of the page's own visitor, with an agent, and a question in it. */
export async function conversation(text) {
  await makeRoom();
  const chat = await begin();
  await until('an agent', () => chat.state === 'active');
  showAtDesk(chat.name);
  await sayIn(chat, text);
  await until('the message at the desk', agentReads(chat, text));
  return chat;
}

/** Runs one scenario at a time; what goes wrong is said, not thrown. */
export async function run(scenario) {
  if (busy) return false;
  busy = true;
  const all = document.querySelectorAll('button.scene');
  document.dispatchEvent(new Event('follow'));
  for (const button of all) button.setAttribute('aria-disabled', 'true');
  try {
    await scenario();
    return true;
  } catch (error) {
    tell(`That did not work: ${error.message}`);
    return false;
  } finally {
    busy = false;
    for (const button of all) button.removeAttribute('aria-disabled');
  }
}

const BUTTONS = { crowd, ramp, transfer, leave, kill, outage: miawOutage };

/** Wires the buttons; runs what was put off until everything had begun anew. */
export function startScenarios() {
  for (const [name, scenario] of Object.entries(BUTTONS)) {
    by(`scene-${name}`).addEventListener('click', () => run(() => scenario()));
  }
  const pending = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  if (BUTTONS[pending]) run(() => BUTTONS[pending]());
  return pending;
}
