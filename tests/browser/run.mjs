// The demo in a real Chromium: a person chats on both sides of the date, the clock is dragged.
//
//   node tests/browser/run.mjs                 the tests; the last line is `N passed, N failed`
//   node tests/browser/run.mjs --screenshots   writes docs/images/report.png
//
// Needs `chromium` (or CHROMIUM) and a built program (or LIVEAGENT_BRIDGE).

import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Chromium } from "./chromium.mjs";
import {
  DESKTOP, IN_MARGIN, PAST_REMOVAL, accept, cutOff, look, startChat, startDemo, write, zone,
} from "./demo-page.mjs";
import { PHONE, PROGRAM, ROOT, assert, tests } from "./story.mjs";

const REPORT = { width: 1100, height: 1100 };
// A4 less the margins of the report's style, at 96 dots an inch.
const PAPER = { width: 695, height: 1016 };
const DAY_MS = 24 * 3600 * 1000;

/** One message each way in the chat that both sides show, with typing. */
async function talk(page, when) {
  await page.click("#visitor-text");
  await page.type("Question ");
  await page.sees("#agent-typing", "is typing");
  await page.type(when);
  await page.press("Enter");
  await page.sees("#agent-lines .them", `Question ${when}`);
  await write(page, "#agent-text", `Answer ${when}`);
  await page.sees("#visitor-lines .them", `Answer ${when}`);
}

// --- The story ----------------------------------------------------------------------------------

const story = {
  "the banner counts the days since the real removal": async (page) => {
    await page.sees("#banner", "14 February 2026");
    const days = Math.floor(Math.abs(Date.now() - Date.UTC(2026, 1, 14)) / DAY_MS);
    await page.sees("#banner", ` ${days} days`);
    await zone(page, "legacy");
  },
  "before the margin a new chat goes to Live Agent": async (page) => {
    await startChat(page, "A");
    await page.sees("#wire .decision.legacy", "Chat A goes to Live Agent");
    await page.sees("#queue .waiting", "Anna Adams");
    await accept(page);
    await page.sees("#agent-about", "Live Agent");
    await talk(page, "before the margin");
  },
  "the clock is dragged into the margin: a new chat goes to MIAW": async (page) => {
    await page.drag("#slider", IN_MARGIN);
    await zone(page, "margin");
    await startChat(page, "B");
    await page.sees("#wire .decision.miaw", "Chat B goes to MIAW");
    await accept(page);
    await page.sees("#agent-about", "MIAW");
    await page.sees("#agent-attributes dd", "ben.brown@example.com");
    await talk(page, "inside the margin");
  },
  "the running legacy chat stays and goes on": async (page) => {
    await look(page, "A");
    await talk(page, "while others go to MIAW");
    await page.sees("#visitor-about", "Live Agent");
  },
  "past the removal the legacy chat ends once": async (page) => {
    await page.drag("#slider", PAST_REMOVAL);
    await zone(page, "after");
    await page.sees("#visitor-lines .note", "ChatEnded");
    await page.sees("#visitor-about", "over");
    const notes = await page.texts("#visitor-lines .note");
    const ends = notes.filter((note) => note.includes("ChatEnded"));
    assert(ends.length === 1, `ChatEnded came ${ends.length} times`);
  },
  "an ended chat is answered 403": async (page) => {
    const status = await page.run(async () => {
      const pre = [...document.querySelectorAll("#log pre")].at(-1).textContent;
      const key = pre.match(/SESSION-KEY: (\S+)/)[1];
      const headers = { "X-LIVEAGENT-API-VERSION": "47", "X-LIVEAGENT-AFFINITY": "null" };
      headers["X-LIVEAGENT-SESSION-KEY"] = key;
      return (await fetch("/chat/rest/System/Messages?ack=-1", { headers })).status;
    });
    assert(status === 403, `it was answered ${status}`);
    // The browser notes every 403 in its console; this one was asked for.
    await page.until("the 403 is noted", () => page.errors.some((text) => text.includes("403")));
    page.errors = page.errors.filter((text) => !text.includes("403"));
  },
  "the MIAW chat goes on after the removal": async (page) => {
    await look(page, "B");
    await talk(page, "after the removal");
  },
  "today, with the keyboard alone, a chat goes to MIAW and is answered by itself": async (page) => {
    await page.run(() => document.querySelector("[data-jump=today]").focus());
    await page.press("Enter");
    await page.sees("#now", String(new Date().getUTCFullYear()));
    await page.run(() => document.querySelector("#auto").focus());
    await page.press(" ");
    await page.run(() => document.querySelector("#tabs [aria-selected=true]").focus());
    await page.press("ArrowRight");
    await page.sees("#prechat");
    await page.run(() => document.querySelector("#prechat [name=subject]").focus());
    await page.press("Enter");
    await page.sees("#wire .decision.miaw", "Chat C goes to MIAW");
    await page.sees("#visitor-lines .them", "how can I help");
    await page.type("Typed without a mouse");
    await page.press("Enter");
    await page.sees("#visitor-lines .them", "You wrote “Typed without a mouse”");
  },
  "an agent ends a chat": async (page) => {
    await look(page, "B");
    await page.click("#agent-end");
    await page.sees("#visitor-lines .note", "ChatEnded (agent)");
  },
  "a visitor ends a chat": async (page) => {
    await look(page, "C");
    await page.click("#visitor-end");
    await page.sees("#visitor-lines .note", "ChatEnded (client)");
    await page.sees("#agent-about", "over");
  },
  "the raw log shows the legacy requests and their answers": async (page) => {
    await page.sees("#log summary", "Chasitor/ChasitorInit");
    const answers = await page.texts("#log pre");
    const init = answers.find((text) => text.includes("prechatDetails"));
    assert(init?.endsWith("⇐ 200\nOK"), "ChasitorInit is not shown with 200 and OK");
  },
  "the wire shows both backends, and never a text": async (page) => {
    await page.sees("#wire .arrow.legacy.forth", "POST ChatMessage");
    await page.sees("#wire .arrow.miaw.forth", "POST message");
    await page.sees("#wire .arrow.miaw.back", "MESSAGE");
    const rows = await page.texts("#wire li");
    assert(!rows.some((row) => /Question|Answer|@/.test(row)), "a row shows content");
  },
  "dark mode is dark, and readable": async (page) => {
    await page.scheme("dark");
    const [back, text] = await page.run(() => {
      const light = (color) => color.match(/\d+/g).slice(0, 3).reduce((sum, one) => sum + +one, 0);
      const { backgroundColor, color } = getComputedStyle(document.body);
      return [light(backgroundColor), light(color)];
    });
    assert(back < 150 && text > 550, `background ${back}, text ${text}`);
    await page.scheme("light");
  },
  "at phone width nothing is cut off": async (page) => {
    await page.resize(PHONE);
    const out = await cutOff(page);
    assert(out.length === 0, `wider than the window: ${out.join(" | ")}`);
    await page.click("#tabs .tab:last-child");
    await page.click("#start");
    await page.sees("#wire .decision", "Chat D goes to MIAW");
    await page.sees("#visitor-lines .them", "how can I help");
    await write(page, "#visitor-text", "From a phone");
    await page.sees("#visitor-lines .them", "You wrote “From a phone”");
    await page.resize(DESKTOP);
  },
  "a clock set back does not bring legacy back; starting over does": async (page) => {
    await page.click("[data-jump=before]");
    await zone(page, "legacy");
    await page.sees("#restart.hint");
    await page.click("#tabs .tab:last-child");
    await page.click("#start");
    await page.sees("#wire .decision.miaw", "does not bring legacy back");
    const before = page.loads;
    await page.click("#restart");
    await page.until("the page is loaded anew", () => page.loads > before);
    await page.sees("#wire .empty");
    await startChat(page, "A");
    await page.sees("#wire .decision.legacy", "Chat A goes to Live Agent");
  },
  "the desk's own page works": async (page) => {
    await page.go(new URL("/desk/", await page.run(() => location.href)).href);
    await page.sees("#chats", "Anna Adams");
  },
  "the report prints on paper: unfolded, whole pages, nothing wider than the paper": async (page) => {
    const made = await mkdtemp(join(tmpdir(), "report-"));
    const html = join(made, "report.html");
    dryRun(html);
    await page.go(pathToFileURL(html).href);
    await page.media("print");
    await page.resize(PAPER);
    const seen = await page.run(() => ({
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      cut: [...document.querySelectorAll("table, svg")].filter(
        (one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1,
      ).length,
      folded: [...document.querySelectorAll("details")].filter((one) => one.clientHeight < 40).length,
      paper: getComputedStyle(document.body).backgroundColor,
    }));
    assert(seen.wide <= 0 && seen.cut === 0, `wider than the paper: ${JSON.stringify(seen)}`);
    assert(seen.folded === 0, `${seen.folded} parts are folded`);
    assert(seen.paper === "rgb(255, 255, 255)", `printed on ${seen.paper}`);
    const pdf = (await page.paper()).toString("latin1");
    const pages = (pdf.match(/\/Type \/Page\b/g) || []).length;
    assert(pages > 1 && pages < 40, `${pages} pages`);
    await page.media("");
    await rm(made, { recursive: true });
  },
  "the console showed no error": async (page) => {
    assert(page.errors.length === 0, page.errors.join("\n    "));
  },
};

// --- Pictures for the README ----------------------------------------------------------------------

async function pictures(page) {
  const folder = join(ROOT, "docs/images");
  await mkdir(folder, { recursive: true });
  await reportPicture(page, folder);
  return page.errors.length === 0;
}

/** Writes the dry run of the provider page's sample as an HTML page. */
function dryRun(html) {
  const given = ["--config", "bridge.example.toml", "--tenant", "acme"];
  const sample = "mappings/samples/cognigy-page.json";
  const asOf = ["--as-of", "2026-11-23T09:00:00Z"];
  const words = ["dry-run", ...given, "--prechat", sample, ...asOf, "--html", "--out", html];
  const { status, stderr } = spawnSync(PROGRAM, words, { cwd: ROOT, encoding: "utf8" });
  assert(status === 0, `the dry run ended with ${status}: ${stderr}`);
}

/** The picture of that page. */
async function reportPicture(page, folder) {
  const made = await mkdtemp(join(tmpdir(), "report-"));
  const html = join(made, "report.html");
  dryRun(html);
  await page.scheme("light");
  await page.resize(REPORT);
  await page.go(pathToFileURL(html).href);
  await writeFile(join(folder, "report.png"), await page.picture());
  await rm(made, { recursive: true });
  console.log("docs/images/report.png");
}

const demo = await startDemo();
const browser = await Chromium.start();
let right = false;
try {
  const page = await browser.open(demo.address, DESKTOP);
  right = await (process.argv.includes("--screenshots") ? pictures(page) : tests(story, page));
} finally {
  await browser.stop();
  await demo.stop();
}
process.exit(right ? 0 : 1);
