// How fast the overview is with many tenants and chats: a measurement, not a test.
//
//   node tests/browser/overview-bench.mjs [TENANTS [CHATS]]      200 and 5000 unless given
//
// Prints what docs/console.md quotes. Needs `chromium` (or CHROMIUM) and a built program (or
// LIVEAGENT_BRIDGE); a release build answers faster than the one that tests use.

import { api, startBridge, startChat } from "./bridge.mjs";
import { Chromium } from "./chromium.mjs";
import { PROGRAM } from "./story.mjs";

const [TENANTS, CHATS] = [Number(process.argv[2] || 200), Number(process.argv[3] || 5000)];
/** Chats begun at a time. */
const AT_ONCE = 40;
/** Visits of the page that are measured. */
const VISITS = 5;
const FRESH_MS = 6_000;

const name = (index) => `tenant-${String(index + 1).padStart(3, "0")}`;
const tenants = Array.from({ length: TENANTS }, (_, index) => ({ id: name(index), legacy: index % 2 ? undefined : false }));
const middle = (all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)];

async function fill(bridge) {
  let next = 0;
  const work = async () => {
    for (let index = next++; index < CHATS; index = next++) {
      const tenant = index % TENANTS;
      await startChat(bridge, name(tenant), tenant + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** What the browser says of one visit, in milliseconds from the request for the page. */
const visit = () => new Promise((resolve) => {
  const look = () => {
    const rows = document.querySelectorAll("section[aria-label=Tenants] tbody tr").length;
    if (!rows) return requestAnimationFrame(look);
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    const loaded = performance.getEntriesByType("resource");
    return resolve({
      paint: paint ? paint.startTime : NaN,
      table: performance.now(),
      rows,
      bytes: loaded.filter((one) => one.name.includes("/console/")).reduce((sum, one) => sum + one.encodedBodySize, 0),
      data: loaded.filter((one) => one.name.includes("/admin/v1/tenants")).map((one) => one.encodedBodySize)[0],
      waited: Math.max(...loaded.filter((one) => /admin\/v1|metrics/.test(one.name)).map((one) => one.duration)),
      elements: document.querySelectorAll("*").length,
    });
  };
  look();
});

const bridge = await startBridge(PROGRAM, { tenants, agents: "none" });
const browser = await Chromium.start();
try {
  const began = Date.now();
  await fill(bridge);
  console.log(`${TENANTS} tenants, ${CHATS} chats begun in ${Math.round((Date.now() - began) / 1000)} s`);
  const token = bridge.token("read", "--subject", "bench");
  const status = await api(bridge, token, "GET", "/admin/v1/status");
  const live = Object.entries(status.chats).filter(([phase]) => phase !== "ended").reduce((sum, [, count]) => sum + count, 0);
  console.log(`live: ${live} (${JSON.stringify(status.chats)})`);
  const page = await browser.open(`${bridge.admin}/console/`, { width: 1440, height: 1000 });
  await page.run((kept) => sessionStorage.setItem("liveagent-bridge-token", kept), token);
  const visits = [];
  for (let left = VISITS; left > 0; left -= 1) {
    await page.go(`${bridge.admin}/console/?${left}`);
    visits.push(await page.run(visit));
  }
  const of = (member) => Math.round(middle(visits.map((one) => one[member])));
  console.log(`first paint ${of("paint")} ms, table ${of("table")} ms (slowest answer ${of("waited")} ms)`);
  console.log(`${visits[0].rows} rows, ${visits[0].elements} elements; page ${visits[0].bytes} bytes, tenants ${visits[0].data} bytes`);
  await page.call("Performance.enable");
  const busy = async () => (await page.call("Performance.getMetrics")).metrics.find((one) => one.name === "TaskDuration").value;
  const from = await busy();
  await page.run((wait) => new Promise((done) => setTimeout(done, wait)), FRESH_MS);
  console.log(`staying fresh takes ${Math.round((((await busy()) - from) * 1000) / (FRESH_MS / 1000))} ms of each second`);
} finally {
  await browser.stop();
  await bridge.stop();
}
process.exit(0);
