// npm eventsource, with eventsource-parser below it: connects again by itself, with the last id.
// It sends no id and no headers with its first connection, so its `fetch` option adds them, as its
// README shows.

import { Reader } from "./sse_driver.mjs";

const reader = new Reader("eventsource");
const { EventSource } = reader.require("eventsource");

const source = new EventSource(reader.url, {
  fetch: (url, init) => {
    const own = Object.entries(init.headers).map(([name, value]) => [name.toLowerCase(), value]);
    return fetch(url, { ...init, headers: { ...reader.headers, ...Object.fromEntries(own) } });
  },
});
source.onopen = () => reader.opened();
const names = ["ping", "CONVERSATION_MESSAGE", "CONVERSATION_ROUTING_RESULT"];
names.push("CONVERSATION_ROUTING_WORK_RESULT", "CONVERSATION_PARTICIPANT_CHANGED");
names.push("CONVERSATION_SESSION_STATUS_CHANGED");
for (const name of names) {
  source.addEventListener(name, event => reader.event(name, event.lastEventId, event.data));
}
