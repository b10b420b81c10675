// npm rx-sfliveagent-client: the library as it comes, used as its README shows. It polls with ack
// from -1, never numbers its POSTs and asks for availability beside the chat.

import { AGENT_END, Driver, LINES } from "./driver.mjs";

const driver = new Driver("rx-sfliveagent-client");
const { base, org, deployment, button, end } = driver.options;
const { Api, startSession } = driver.require("rx-sfliveagent-client");

const config = {
  host: base,
  organizationId: org,
  deploymentId: deployment,
  buttonId: button,
  version: "42",
};
const detail = (label, value) => ({
  label,
  value,
  entityMaps: [],
  transcriptFields: [`c__${label}`],
  displayToAgent: true,
  doKnowledgeSearch: false,
});
const visitor = {
  language: "en",
  userAgent: "third-party-clients",
  visitorName: "Ada Tester",
  screenResolution: "1900x1200",
  prechatDetails: [detail("Email", "ada@example.com"), detail("Subject", "Compat check")],
  prechatEntities: [
    {
      entityName: "Contact",
      showOnCreate: true,
      saveToTranscript: "ContactId",
      linkToEntityName: null,
      linkToEntityField: null,
      entityFieldsMaps: [
        { fieldName: "Email", label: "Email", doFind: true, isExactMatch: true, doCreate: true },
      ],
    },
  ],
  receiveQueueUpdates: true,
  isPost: true,
};

const availability = await new Api(config).availability();
if (availability.message.results[0].isAvailable) driver.step("available");

const session = startSession(config, visitor);
session.error$.subscribe(error => driver.problem(error.message));
session.chatRequestSuccess$.subscribe(() => driver.step("accepted"));
session.chatEstablished$.subscribe(() => driver.step("established"));
session.chatRequestFail$.subscribe(event => driver.problem(`refused: ${event.message.reason}`));
session.agentTyping$.subscribe(() => driver.step("agent typing"));
session.chatMessage$.subscribe(event => driver.receive(event.message.text));
session.availability$.subscribe(() => driver.step("availability during the chat"));
session.chasitorChatMessage$.subscribe(() => driver.step("sent"));
// Its stream ends with whichever comes first: the answer to its ChatEnd, or the ChatEnded that
// the open poll brings. Both are the end of a chat that the visitor ended.
session.chatEnd$.subscribe(() => driver.step("ended"));
session.chatEnded$.subscribe(() => driver.step(end === "agent" ? "ended by agent" : "ended"));

await driver.seen("established");
await driver.seen("greeting");
await session.api.availability();
for (const text of LINES) {
  await session.api.chasitorTyping();
  await session.api.chasitorNotTyping();
  await session.api.chatMessage({ text });
  await driver.answered(text);
}
if (end === "agent") {
  await session.api.chatMessage({ text: AGENT_END });
  await driver.seen("ended by agent");
} else {
  await session.api.chatEnd();
  await driver.seen("ended");
}
driver.finish(
  [
    "available",
    "accepted",
    "established",
    "greeting",
    "availability during the chat",
    "sent",
    "agent typing",
    "reply",
    end === "agent" ? "ended by agent" : "ended",
  ],
  LINES,
);
