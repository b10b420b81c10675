// The demo's scenarios and its tour in a real Chromium: each pressed, each with its effect; both
// themes, a phone, a keyboard alone, axe-core, hostile names.
//
//   node tests/browser/demo.mjs                 the tests; the last line is `N passed, N failed`
//   node tests/browser/demo.mjs --screenshots   writes docs/images/demo*.png
//
// Needs `chromium` (or CHROMIUM), a built program (or LIVEAGENT_BRIDGE) and axe-core from the
// packages of tests/clients (or AXE, a path to axe.min.js).

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { HOSTILE } from "./bridge.mjs";
import { Chromium } from "./chromium.mjs";
import { DESKTOP, cutOff, startDemo, write, zone } from "./demo-page.mjs";
import { AXE, PHONE, ROOT, assert, tests } from "./story.mjs";

const TOUR_STEPS = 7;
/** The longest that a step of the tour may take by itself; people read meanwhile. */
const STEP_MS = 60_000;

// --- What a person does --------------------------------------------------------------------------

/** Waits for something that takes longer than a click. */
async function until(what, look) {
  const deadline = Date.now() + STEP_MS;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Presses a scenario and waits until it has come about; answers what it said. */
async function press(page, name) {
  await page.click(`#scene-${name}`);
  await done(page);
  return (await page.texts("#said"))[0];
}

const done = (page) => until("the end of the scenario",
  () => page.run(() => !document.querySelector("button.scene[aria-disabled]")));

/** How many chats the board shows on a route, in a phase. */
const chips = (page, route, phase) => page.run(
  (css) => document.querySelectorAll(css).length, `#board .chip.${route}${phase ? `.${phase}` : ""}`);

async function startOver(page) {
  const before = page.loads;
  await page.click("#restart");
  await page.until("the page is loaded anew", () => page.loads > before);
  await page.sees("body[data-ready] #wire .empty");
}

/** The browser notes every refusal in its console; these were asked for. */
const forget = (page, status) => {
  page.errors = page.errors.filter((text) => !text.includes(`status of ${status}`));
};

/** Axe's findings that are serious or worse. */
async function serious(page, axe) {
  await page.call("Runtime.evaluate", { expression: axe });
  return page.run(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    const bad = violations.filter((one) => ["serious", "critical"].includes(one.impact));
    return bad.map((one) => `${one.id}: ${one.nodes.slice(0, 3)
      .map((node) => node.html.slice(0, 120)).join(" | ")}`);
  });
}

/** Every agent has that name in what the page is answered from now on. */
const agentsAreCalled = (page, name) => page.run((bad) => {
  const { fetch } = window;
  window.fetch = async (...asked) => {
    const answer = await fetch(...asked);
    if (answer.status !== 200) return answer;
    const text = await answer.text();
    const { status, headers } = answer;
    return new Response(text.replace(/(Ada|Ben|Cleo) Agent/g, JSON.stringify(bad).slice(1, -1)), { status, headers });
  };
}, name);

const tab = async (page, wanted, most = 80) => {
  for (let pressed = 0; pressed < most; pressed += 1) {
    await page.press("Tab");
    if (await page.run((css) => document.activeElement.matches(css), wanted)) return;
  }
  throw new Error(`${wanted} is not reached with Tab`);
};

const clean = async (page, axe, where) => {
  const found = await serious(page, axe);
  assert(found.length === 0, `${where}: ${found.join("\n    ")}`);
};

// --- The story -----------------------------------------------------------------------------------

const story = {
  "ramp: about half of twenty chats go to MIAW, and the console knows why": async ({ page }) => {
    const said = await press(page, "ramp");
    assert(/20 chats started: \d+ on Live Agent, \d+ on MIAW/.test(said), said);
    const [legacy, miaw] = [await chips(page, "legacy"), await chips(page, "miaw")];
    // The draw is random: all on one side happens once in half a million runs.
    assert(legacy + miaw === 20 && legacy > 0 && miaw > 0, `${legacy} and ${miaw}`);
    await page.sees("#wire .event", "ramp 50 %");
    await page.sees("#latest", "draw");
  },
  "in the margin new chats go to MIAW, running ones stay where they are": async ({ page }) => {
    const before = [await chips(page, "legacy", "active"), await chips(page, "miaw")];
    await page.click("[data-jump=inside]");
    await zone(page, "margin");
    const said = await press(page, "crowd");
    assert(said.startsWith("20 chats started: 0 on Live Agent, 20 on MIAW"), said);
    const after = [await chips(page, "legacy", "active"), await chips(page, "miaw")];
    assert(after[0] >= before[0] && after[1] === before[1] + 20, `${before} became ${after}`);
  },
  "past the removal every legacy chat ends, and none on MIAW": async ({ page }) => {
    await page.click("[data-jump=removal]");
    await zone(page, "after");
    await until("the end of legacy chats",
      async () => (await chips(page, "legacy")) === (await chips(page, "legacy", "ended")));
    assert((await chips(page, "miaw", "ended")) === 0, "a chat on MIAW ended");
  },
  "transfer: the visitor is told, and the chat goes on": async ({ page }) => {
    const said = await press(page, "transfer");
    assert(said.includes("ChatTransferred"), said);
    await page.sees("#visitor-lines .note", "Transferred to");
    await write(page, "#visitor-text", "After the transfer");
    await page.sees("#visitor-lines .them", "You wrote “After the transfer”");
  },
  "kill: the bridge is gone, comes back from its store, and the chat goes on": async ({ page }) => {
    const running = await chips(page, "miaw", "active");
    await page.click("#scene-kill");
    await page.sees("#bridge.down #bridge-state", "killed");
    await page.sees("#visitor-lines .me .sent", "sending");
    await page.sees("#log .status", "502");
    await done(page);
    await page.sees("#bridge-state", "running again");
    const [said] = await page.texts("#said");
    assert(said.includes("arrived once"), said);
    await page.sees("#wire .event", "The bridge is killed");
    await page.sees("#wire .event", "taken up from its store");
    await page.sees("#visitor-lines .them", "You wrote “Did you get this while the bridge was down?”");
    assert((await chips(page, "miaw", "active")) === running, "a chat was lost");
    forget(page, 502);
  },
  "outage: MIAW refuses, the visitor has an OK, the message arrives once": async ({ page }) => {
    await page.click("#scene-outage");
    await page.sees("body.outage #wire .event", "MIAW refuses");
    await page.sees("body.outage #visitor-lines .me", "answered OKDid you get this while MIAW");
    await page.sees("#wire .arrow.miaw.back", "503");
    await done(page);
    const [said] = await page.texts("#said");
    assert(said.includes("arrived once"), said);
    assert(!(await page.run(() => document.body.classList.contains("outage"))), "still refusing");
  },
  "agent leaves: the visitor is told once that the chat is over": async ({ page }) => {
    const said = await press(page, "leave");
    assert(said.includes("ChatEnded"), said);
    const ends = (await page.texts("#visitor-lines .note")).filter((one) => one.includes("ChatEnded"));
    assert(ends.length === 1, `ChatEnded came ${ends.length} times`);
  },
  "a row opens to the raw request and its answer": async ({ page }) => {
    // The newest POST of a client, whatever chat it was.
    await page.run(() => [...document.querySelectorAll("#wire .arrow.client.forth .open")]
      .findLast((one) => one.textContent.includes("ChatMessage")).click());
    await page.sees("#wire .raw pre", "x-liveagent-session-key");
    await page.sees("#wire .raw pre", "HTTP/1.1 200 OK");
    await page.run(() => document.querySelector("#wire .open[aria-expanded=true]").click());
    assert((await page.texts("#wire .raw")).length === 0, "it does not close");
  },
  "a chip shows one chat alone": async ({ page }) => {
    await page.run(() => document.querySelector("#board .chip.miaw").click());
    const shown = await page.run(() => {
      const rows = [...document.querySelectorAll("#wire li:not([hidden]) .chip")];
      return [...new Set(rows.map((one) => one.textContent))].join();
    });
    const [picked] = await page.texts("#board .chip[aria-pressed=true]");
    assert(shown === picked || shown === "", `${picked} shows ${shown}`);
    await page.run(() => document.querySelector("#board .chip[aria-pressed=true]").click());
  },
  "axe finds nothing serious in either theme, nothing is cut off at phone width": async ({ page, axe }) => {
    for (const scheme of ["light", "dark"]) {
      await page.scheme(scheme);
      await clean(page, axe, scheme);
    }
    await page.resize(PHONE);
    await clean(page, axe, "phone, dark");
    await page.scheme("light");
    const out = await cutOff(page);
    assert(out.length === 0, `wider than the phone: ${out.join(" | ")}`);
    await page.resize(DESKTOP);
  },
  "the chosen theme is kept": async ({ page }) => {
    const choose = (name) => page.run((value) => {
      const select = document.querySelector("#theme");
      select.value = value;
      select.dispatchEvent(new Event("change"));
      return getComputedStyle(document.body).backgroundColor;
    }, name);
    const [dark, light] = [await choose("dark"), await choose("light")];
    assert(dark !== light, `both are ${dark}`);
    await choose("auto");
  },
  "hostile names are text on both sides": async ({ page }) => {
    // Many chats run by now: this one has a page of its own.
    await startOver(page);
    await agentsAreCalled(page, HOSTILE);
    for (const name of ["firstName", "lastName", "subject"]) {
      await page.run((field, value) => {
        document.querySelector(`#prechat [name=${field}]`).value = value;
      }, name, HOSTILE);
    }
    await page.click("#start");
    await page.sees("#tabs .tab", HOSTILE);
    await page.sees("#queue .open b", HOSTILE);
    await page.click("#queue [data-accept]");
    await page.sees("#visitor-lines .note", `${HOSTILE} joined`);
    await page.sees("#agent-about", HOSTILE);
    await page.sees("#agent-attributes dd", HOSTILE);
    await write(page, "#agent-text", HOSTILE);
    await page.sees("#visitor-lines .them small", HOSTILE);
    await page.run(() => [...document.querySelectorAll("#wire .arrow.client.forth .open")]
      .findLast((one) => one.textContent.includes("ChasitorInit")).click());
    await page.sees("#wire .raw pre", HOSTILE);
    const images = await page.run(() => document.querySelectorAll("img:not([alt=''])").length);
    assert(images === 0, "a name became an element");
  },
  "the console opens signed in, and shows the chats": async ({ page }) => {
    await page.click("#console");
    const tab = await page.browser.opened("/console/");
    await tab.sees("#who", "demo · operate");
    await tab.sees("tbody th", "demo");
    await tab.run(() => { location.hash = "#/chats"; });
    await tab.sees("h1", "Chats");
    assert(tab.errors.length === 0, tab.errors.join("\n    "));
    await tab.call("Page.close");
  },
  "the dry run opens as a report": async ({ page, address }) => {
    await page.go(`${address}/demo/report`);
    await page.sees("h1", "");
    await page.sees("body", "cognigy-page.json");
    await page.go(address);
    await page.sees("body[data-ready]");
  },
  "the tour with the keyboard alone, in less than two minutes": async ({ page, axe }) => {
    const began = Date.now();
    const before = page.loads;
    await page.run(() => document.querySelector("#tour-start").focus());
    await page.press("Enter");
    await page.until("the page is loaded anew", () => page.loads > before);
    for (let step = 1; step <= TOUR_STEPS; step += 1) {
      await page.sees("#tour-count", `Step ${step} of ${TOUR_STEPS}`);
      await until(`the end of step ${step}`,
        () => page.run(() => document.querySelector("#tour").dataset.playing === "no"));
      const said = (await page.texts("#tour-said"))[0];
      assert(!said.includes("did not work"), `step ${step}: ${said}`);
      if (step === 2) await clean(page, axe, "the tour");
      // From the heading, where the focus is, to the button.
      await tab(page, "#tour-next", 6);
      await page.press("Enter");
    }
    await page.sees("#scenes");
    const seconds = (Date.now() - began) / 1000;
    assert(seconds < 120, `it took ${seconds} s`);
    assert((await page.run(() => document.activeElement.id)) === "tour-start", "the focus is lost");
    await page.sees("#latest", "removed");
    forget(page, 502);
  },
  "on a phone the tour stays in sight, above what it is about": async ({ page }) => {
    await page.resize(PHONE);
    const before = page.loads;
    await page.click("#tour-start");
    await page.until("the page is loaded anew", () => page.loads > before);
    await page.sees("#tour-count", "Step 1");
    await until("the first step",
      () => page.run(() => document.querySelector("#tour").dataset.playing === "no"));
    await page.click("#tour-next");
    await page.sees("#tour-said", "20 chats started");
    const [tour, board] = await page.run(() => ["#tour", "#board"].map(
      (css) => document.querySelector(css).getBoundingClientRect().toJSON()));
    assert(tour.top >= 0 && tour.bottom <= board.top && board.bottom < PHONE.height,
      `the tour is at ${tour.top} to ${tour.bottom}, the board at ${board.top} to ${board.bottom}`);
    await page.click("#tour-skip");
    await page.resize(DESKTOP);
  },
  "a tour can be left and begun again": async ({ page }) => {
    const before = page.loads;
    await page.click("#tour-start");
    await page.until("the page is loaded anew", () => page.loads > before);
    await page.sees("#tour-count", "Step 1");
    await page.sees("body[data-ready]");
    await page.press("Escape");
    await page.sees("#scenes #tour-start");
    await done(page);
    await page.click("#tour-start");
    await page.until("the page is loaded anew", () => page.loads > before + 1);
    await page.sees("#tour-count", "Step 1");
    await page.sees("body[data-ready]");
    await page.click("#tour-skip");
    await page.sees("#scenes #tour-start");
    await done(page);
  },
  "board and rows are reached with Tab, and walked with arrow keys": async ({ page }) => {
    await page.run(() => document.querySelector("#scenes a").focus());
    await tab(page, "#board .chip");
    await tab(page, "#wire .open", 8);
    const newest = await page.run(() => document.activeElement.dataset.key);
    await page.press("ArrowUp");
    const above = await page.run(() => document.activeElement.dataset.key);
    assert(Number(above) < Number(newest), `${newest}, then ${above}`);
    await page.press("Enter");
    await page.sees("#wire .raw pre");
  },
  "a ramp after the removal begins anew by itself": async ({ page }) => {
    await page.click("[data-jump=today]");
    await zone(page, "after");
    const before = page.loads;
    await page.click("#scene-ramp");
    await page.until("the page is loaded anew", () => page.loads > before);
    await page.sees("#said", "20 chats started");
    await zone(page, "legacy");
  },
  "the console showed no error, and no policy was violated": async ({ page }) => {
    // The browser may tell late of what the killed bridge's door answered; nobody else says 502.
    forget(page, 502);
    assert(page.errors.length === 0, page.errors.join("\n    "));
  },
};

// --- Pictures ------------------------------------------------------------------------------------

async function pictures({ page, address }) {
  const folder = join(ROOT, "docs/images");
  await mkdir(folder, { recursive: true });
  const picture = async (name) => {
    await writeFile(join(folder, name), await page.picture());
    console.log(`docs/images/${name}`);
  };
  const settle = () => page.run(() => {
    document.activeElement.blur();
    for (const list of document.querySelectorAll(".lines, .wire, #log")) list.scrollTop = 1e6;
  });
  await page.scheme("light");
  await press(page, "ramp");
  await page.click("[data-jump=inside]");
  await page.click("#start");
  await page.sees("#visitor-lines .them", "how can I help");
  await write(page, "#visitor-text", "I was charged twice in January.");
  await page.sees("#visitor-lines .them", "You wrote “I was charged");
  await page.click("#board .chip.miaw:last-child");
  await page.run(() => [...document.querySelectorAll("#queue .open")].at(0).click());
  await settle();
  await page.run(() => {
    const first = document.querySelector("#wire .arrow:not([hidden])");
    document.querySelector("#wire").scrollTop += first.getBoundingClientRect().top
      - document.querySelector("#wire").getBoundingClientRect().top - 8;
  });
  await picture("demo.png");
  await page.click("#board [aria-pressed=true]");
  await page.click("[data-jump=removal]");
  await page.scheme("dark");
  await page.click("#scene-kill");
  await page.sees("#log .status", "502");
  await page.until("a second try", () => page.run(
    () => document.querySelectorAll("#log .s5").length > 3));
  await settle();
  await picture("demo-dark.png");
  await done(page);
  await page.scheme("light");
  await page.resize(PHONE);
  await page.run(() => document.querySelector("#bridge").scrollIntoView());
  await settle();
  await picture("demo-phone.png");
  await page.resize(DESKTOP);
  await page.go(address);
  await page.sees("body[data-ready]");
  await page.click("#tour-start");
  await page.sees("#tour-count", "Step 1");
  await until("the first step", () => page.run(() => document.querySelector("#tour").dataset.playing === "no"));
  await page.click("#tour-next");
  await page.sees("#tour-said", "chats started");
  await settle();
  await picture("demo-tour.png");
  return true;
}

const axe = await readFile(AXE, "utf8");
const demo = await startDemo();
const browser = await Chromium.start();
let right = false;
try {
  const page = await browser.open(demo.address, DESKTOP);
  await page.sees("body[data-ready] #banner", "2026");
  const given = { page, axe, address: demo.address };
  right = await (process.argv.includes("--screenshots") ? pictures(given) : tests(story, given));
} finally {
  await browser.stop();
  await demo.stop();
}
process.exit(right ? 0 : 1);
