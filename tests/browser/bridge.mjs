// A whole installation for the console's tests: emulated services, a bridge, tenants, chats.

import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const SECRET = "a secret of forty bytes, for tests only!";
const DAY_MS = 24 * 3600 * 1000;
/** What would run if anything showed a name as markup. */
export const HOSTILE = "<img src=x onerror=console.error('inert?')>";

const instant = (days) => new Date(Date.now() + days * DAY_MS).toISOString().replace(/\.\d+/, "");

/** A Salesforce id of 15 characters. */
const salesforce = (prefix, number) => prefix + String(number).padStart(12, "0");

function tenant(number, { id, plan, legacy }, { liveagent, miaw }) {
  const org = salesforce("00D", number);
  const old = legacy === false ? "" : `
[tenant.legacy]
live_agent_base_url = "${liveagent}"
organization_id = "${org}"
deployment_id = "${salesforce("572", number)}"
button_id = "${salesforce("573", number)}"`;
  return `
[[tenant]]
id = "${id}"
hosts = ["${id}.example.test"]${id === "acme" ? '\nmapping = "acme.toml"' : ""}${old}
[tenant.miaw]
base_url = "${miaw}"
organization_id = "${org}"
embedded_service_developer_name = "Web_Support"
${plan || ""}`;
}

const step = (days, stage) => `[[tenant.plan.step]]\nat = "${instant(days)}"\nstage = "${stage}"\n`;
const removal = (days) => `[tenant.plan]\nremoval = "${instant(days)}"\n`;

const TENANTS = [
  { id: "acme", plan: `${removal(12)}${step(-20, "legacy")}${step(-9, "shadow")}${step(4, "ramp 25 %")}${step(8, "miaw")}` },
  { id: "globex", plan: removal(45) + step(-3, "ramp 40 %") },
  { id: "hooli", legacy: false },
  { id: "initech" },
  { id: "umbrella", plan: removal(90) + step(-6, "shadow") + step(60, "miaw") },
];

const MAPPING = `version = 1

[[rule]]
label = "E-Mail"
to = "email"

[[rule]]
label = "Topic"
to = "topic"
max_len = 40
`;

async function listens(child, names) {
  const found = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [, name, address] = line.match(/^(\w+)\s+(http\S+)/) || [];
    if (names.includes(name)) found[name] = address;
    if (names.every((one) => found[one])) return found;
  }
  throw new Error(`a program ended before it told ${names.join(", ")}`);
}

export async function startBridge(program, { tenants = TENANTS, agents = "echo" } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "liveagent-bridge-console-"));
  const env = { ...process.env, ADMIN_SECRET: SECRET };
  const children = [];
  const start = (words) => {
    const child = spawn(program, words, { cwd: folder, env, stdio: ["ignore", "pipe", "ignore"] });
    children.push(child);
    return child;
  };
  const any = "127.0.0.1:0";
  const emulate = ["emulate", "--liveagent", any, "--miaw", any, "--desk", any, "--agents", agents];
  const backends = await listens(start(emulate), ["liveagent", "miaw"]);
  const config = `listen = "${any}"
[store]
path = "bridge.sqlite"
[admin]
listen = "${any}"
[[admin.key]]
algorithm = "HS256"
secret = { env = "ADMIN_SECRET" }
${tenants.map((one, at) => tenant(at + 1, one, backends)).join("")}`;
  await writeFile(join(folder, "bridge.toml"), config);
  await writeFile(join(folder, "acme.toml"), MAPPING);
  const { admin, listening } = await listens(start(["serve", "--config", "bridge.toml"]), ["admin", "listening"]);
  const run = (...words) => {
    const made = spawnSync(program, words, { cwd: folder, env, encoding: "utf8" });
    if (made.status !== 0) throw new Error(`${words.join(" ")}: ${made.stderr}`);
    return made.stdout.trim();
  };
  const token = (role, ...more) => run("admin", "token", "--config", "bridge.toml", "--role", role, ...more);
  const stop = async () => {
    for (const child of children.reverse()) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.kill("SIGTERM")) await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };
  return { admin: admin.replace(/\/$/, ""), base: listening.replace(/\/$/, ""), token, stop };
}

/** Asks the admin API, as scripts do. */
export async function api({ admin }, token, method, path, body) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const answer = await fetch(admin + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.json();
}

/** Starts a chat as a legacy client does. */
export async function startChat({ base }, id, number) {
  const rest = `${base}/t/${id}/chat/rest`;
  const headers = { "X-LIVEAGENT-API-VERSION": "52", "X-LIVEAGENT-AFFINITY": "null" };
  const session = await (await fetch(`${rest}/System/SessionId`, { headers })).json();
  const body = {
    organizationId: salesforce("00D", number), deploymentId: salesforce("572", number),
    buttonId: salesforce("573", number), sessionId: session.id, visitorName: HOSTILE, language: "en-US",
    userAgent: "test", screenResolution: "1x1", prechatDetails: [], prechatEntities: [],
    receiveQueueUpdates: true, isPost: true,
  };
  const own = {
    ...headers, "X-LIVEAGENT-SESSION-KEY": session.key, "X-LIVEAGENT-AFFINITY": session.affinityToken,
    "X-LIVEAGENT-SEQUENCE": "1", "Content-Type": "application/json",
  };
  const begun = await fetch(`${rest}/Chasitor/ChasitorInit`, { method: "POST", headers: own, body: JSON.stringify(body) });
  if (!begun.ok) throw new Error(`ChasitorInit: ${begun.status} ${await begun.text()}`);
  let sequence = 1;
  let ack = -1;
  const says = (text) => fetch(`${rest}/Chasitor/ChatMessage`, {
    method: "POST", headers: { ...own, "X-LIVEAGENT-SEQUENCE": String((sequence += 1)) }, body: JSON.stringify({ text }),
  });
  const polls = async () => {
    const answer = await fetch(`${rest}/System/Messages?ack=${ack}`, { headers: own });
    if (answer.status !== 200) return [];
    const { messages, sequence: last } = await answer.json();
    ack = last;
    return messages;
  };
  return { says, polls };
}
