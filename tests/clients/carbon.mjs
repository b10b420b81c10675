// npm @carbon/ai-chat: its Salesforce service desk as shipped, without the rest of the widget.
//
// The file runs unmodified. Two things around it are ours: the host's side of the service desk
// (callback and service manager, which the widget would supply), and a resolver that answers the
// widget's user interface libraries with empty stand-ins, since no page is drawn here.
// The desk hard-codes `https://`; the host's `fetch`, which the widget lets its embedder replace,
// takes that prefix to the address given.

import { register } from "node:module";

import { AGENT_END, Driver, LINES } from "./driver.mjs";

const SUMMARY = ["Compat check", "ada@example.com"];
const HOST = "live-agent.invalid";

const driver = new Driver("@carbon/ai-chat");
const { base, org, deployment, button, end } = driver.options;

register("./carbon-stand-ins.mjs", import.meta.url);
await import("./carbon-page.mjs");
const es = "@carbon/ai-chat/dist/es";
const { SFServiceDesk } = await import(driver.url(`${es}/SFServiceDesk.js`));

/** The widget reads every body twice, once for its debug log: so bodies are kept. */
async function hostFetch(url, options = {}) {
  const target = url.replace(`https://${HOST}`, base.replace(/\/$/, ""));
  const response = await fetch(target, options);
  const body = await response.text();
  return {
    ok: response.ok,
    status: response.status,
    headers: response.headers,
    text: async () => body,
    json: async () => JSON.parse(body),
  };
}

let persisted = {};
const callback = {
  persistedState: () => persisted,
  updatePersistedState: (state, merge = true) => {
    persisted = merge ? { ...persisted, ...state } : state;
    if (merge && state.sessionData?.affinityToken && !state.sessionData.key) {
      driver.problem("the desk reconnected, which no step asks for");
    }
  },
  updateCapabilities: () => {},
  updateAgentAvailability: async () => driver.step("queue position"),
  agentJoined: async agent => {
    if (!agent.nickname) driver.problem("the agent has no name");
    driver.step("established");
  },
  agentTyping: async typing => typing && driver.step("agent typing"),
  agentLeftChat: async () => driver.problem("the agent left"),
  agentEndedChat: async () => driver.step("ended by agent"),
  beginTransferToAnotherAgent: async () => driver.problem("transferred"),
  sendMessageToUser: async message =>
    driver.receive(typeof message === "string" ? message : message.output.generic[0].text),
  setErrorStatus: error => driver.problem(`error status: ${JSON.stringify(error)}`),
  setFileUploadStatus: () => {},
};
const serviceManager = {
  fetch: hostFetch,
  intl: { formatMessage: ({ id }) => id },
};
const config = {
  subscription: {
    account: { id: deployment },
    data: { buttonId: button, organizationId: org, sfDomain: base },
  },
};

const complaint = console.error;
console.error = (...words) => {
  driver.problem(words.map(String).join(" "));
  complaint(...words);
};

const desk = new SFServiceDesk(callback, config, HOST, serviceManager);
desk.updateState({ sessionID: "third-party-clients", locale: "en-US" });
const connect = {
  output: {
    generic: [
      {
        response_type: "connect_to_agent",
        transfer_info: {
          additional_data: { jwt: "x" },
          summary_message_to_agent: SUMMARY.map(text => ({ text })),
        },
      },
    ],
  },
  context: {
    integrations: {
      salesforce: {
        pre_chat: {
          details: [
            { label: "Email", value: "ada@example.com", displayToAgent: true },
            { label: "Subject", value: "Compat check", displayToAgent: true },
          ],
        },
      },
    },
  },
};

if (await desk.areAnyAgentsOnline(connect)) driver.step("available");
await desk.startChat(connect, { agentAppInfo: { sessionHistoryKey: "k" } });
if (persisted.sessionData?.key) driver.step("accepted");
await driver.seen("established");
await driver.seen("greeting");
for (const text of SUMMARY) await driver.answered(text);
const say = text => desk.sendMessageToAgent({ input: { text } }, "", {});
for (const text of LINES) {
  await desk.userTyping(true);
  await desk.userTyping(false);
  await say(text);
  driver.step("sent");
  await driver.answered(text);
}
if (end === "agent") {
  await say(AGENT_END);
  await driver.seen("ended by agent");
} else {
  await desk.endChat();
  driver.step("ended");
}
driver.finish(
  [
    "available",
    "accepted",
    "established",
    "greeting",
    "sent",
    "agent typing",
    "reply",
    end === "agent" ? "ended by agent" : "ended",
  ],
  [...SUMMARY, ...LINES],
);
