// npm @microsoft/fetch-event-source: connects again by itself, with the last id, when its host
// says that an end of the stream is an error. It looks for a page, which is not one here.

import { Reader } from "./sse_driver.mjs";

const reader = new Reader("@microsoft/fetch-event-source");
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = reader.require("@microsoft/fetch-event-source");

await fetchEventSource(reader.url, {
  headers: reader.headers,
  openWhenHidden: true,
  async onopen() {
    reader.opened();
  },
  onmessage: ({ event, id, data }) => reader.event(event, id, data),
  onclose() {
    throw new Error("the stream broke");
  },
  onerror: () => 10,
});
