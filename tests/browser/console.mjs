// The console in a real Chromium: two roles, both themes, a phone, a keyboard, axe-core.
//
//   node tests/browser/console.mjs                 the tests; the last line is `N passed, N failed`
//   node tests/browser/console.mjs --screenshots   writes the pictures of docs/images/
//
// Needs `chromium` (or CHROMIUM), a built program (or LIVEAGENT_BRIDGE) and axe-core from the
// packages of tests/clients (or AXE, a path to axe.min.js).

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { HOSTILE, api, startBridge, startChat } from "./bridge.mjs";
import { Chromium } from "./chromium.mjs";
import { AXE, PHONE, PROGRAM, ROOT, assert, tests } from "./story.mjs";

const DESKTOP = { width: 1440, height: 1000 };
const PAGES = {
  overview: ["#/", "Overview", "table"], tenant: ["#/tenant/acme", "acme", "svg.timeline"],
  mapping: ["#/mapping/acme", "Mapping", "#attributes"], chats: ["#/chats", "Chats", "table"],
  reports: ["#/reports/acme", "Reports", ".card table, .card .empty"],
  operations: ["#/operations", "Operations", "svg.chart"],
};

// --- What a person does --------------------------------------------------------------------------

async function signIn(page, token) {
  await page.sees("input[type=password]");
  await page.click("input[type=password]");
  await page.type(token);
  await page.press("Enter");
  await page.sees("h1", "Overview");
}

async function open(page, name) {
  const [hash, title, there] = PAGES[name];
  await page.run((wanted) => { location.hash = wanted; }, hash);
  await page.sees("h1", title);
  await page.sees(there);
}

/** Axe's findings that are serious or worse. */
async function serious(page, axe) {
  await page.call("Runtime.evaluate", { expression: axe });
  return page.run(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    const bad = violations.filter((one) => ["serious", "critical"].includes(one.impact));
    return bad.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`);
  });
}

const cutOff = () => {
  const out = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility()
    && one.getBoundingClientRect().right > window.innerWidth + 1
    && !one.closest(".scroll, .unseen, .skip, thead, pre"));
  return out.slice(0, 3).map((one) => one.outerHTML.slice(0, 90));
};

const tab = async (page, wanted, most = 60) => {
  for (let pressed = 0; pressed < most; pressed += 1) {
    await page.press("Tab");
    if (await page.run((css) => document.activeElement.matches(css), wanted)) return;
  }
  throw new Error(`${wanted} is not reached with Tab`);
};

// --- The story -----------------------------------------------------------------------------------

const story = {
  "a wrong token is refused with a sentence": async ({ page }) => {
    await page.click("input[type=password]");
    await page.type("no.token.here");
    await page.press("Enter");
    await page.sees("[role=alert]", "not accepted");
    await page.run(() => { document.querySelector("input[type=password]").value = ""; });
    // The browser notes every 401 in its console; this one was asked for.
    page.errors = page.errors.filter((one) => !one.includes("401"));
  },
  "with read a person looks and finds no button that changes anything": async ({ page, read }) => {
    await signIn(page, read);
    await page.sees("#who", "read");
    for (const name of Object.keys(PAGES)) {
      await open(page, name);
      const buttons = await page.texts("main button");
      const acts = buttons.filter((one) => /Move|Roll|Freeze|Brown|Vouch|End|Reload|Follow|Sign|dry run/.test(one));
      assert(acts.length === 0, `${name} offers ${acts.join(", ")}`);
    }
  },
  "the token is in this tab only": async ({ page }) => {
    const kept = await page.run(() => [sessionStorage.length, JSON.stringify(localStorage), document.cookie]);
    assert(kept[0] === 1 && !kept[1].includes("eyJ") && kept[2] === "", JSON.stringify(kept));
  },
  "the overview says what needs attention first": async ({ page }) => {
    await open(page, "overview");
    await page.sees(".attention li", "acme");
    for (const id of ["acme", "globex", "hooli", "initech", "umbrella"]) await page.sees("tbody th", id);
    await page.sees("meter");
  },
  "it is live: a chat that starts is seen without a click": async ({ page, bridge }) => {
    const live = () => page.run(() => Number(document.querySelectorAll(".tile dd")[2].textContent));
    const before = await live();
    await startChat(bridge, "hooli", 3);
    await page.until("one more live chat", async () => (await live()) > before);
  },
  "a tenant with operate: a move without evidence is refused with a sentence": async ({ page, operate }) => {
    await page.click("#out");
    await signIn(page, operate);
    await page.sees("#who", "operate");
    await open(page, "tenant");
    await page.click("label.pick:nth-of-type(3)");
    await page.sees("#ramp");
    await page.drag("#ramp", 0.3);
    await page.sees(".figure", "%");
    await page.click("main form button[type=submit]");
    await page.click("dialog textarea");
    await page.type("the first third");
    await page.click("dialog button[type=submit]");
    await page.sees("dialog [role=alert]", "refused");
    await page.click("dialog .quiet");
    // The browser notes every refusal in its console; this one was asked for.
    page.errors = page.errors.filter((one) => !one.includes("422"));
  },
  "what a move would do is shown before it is made, and why it would be refused": async ({ page }) => {
    await page.sees(".effect", "would be refused");
    await page.sees(".effect", "no dry run is recorded");
    await page.click("main form .check input");
    await page.sees(".effect th", "Now");
    await page.sees(".effect td strong", "on MIAW");
    await page.click("main form .check input");
    await page.sees(".effect", "would be refused");
  },
  "a reason is required": async ({ page }) => {
    await page.click("main form .check input");
    await page.click("main form button[type=submit]");
    await page.click("dialog button[type=submit]");
    assert(await page.run(() => document.querySelector("dialog").open), "it was done without a reason");
  },
  "with a reason it is done, and the history says who and why": async ({ page }) => {
    await page.click("dialog textarea");
    await page.type(`agreed ${HOSTILE}`);
    await page.click("dialog button[type=submit]");
    await page.sees(".history li", "without evidence");
    await page.sees(".history .why", HOSTILE);
    await page.sees(".tile .chip", "ramp");
  },
  "the plan is seen at another instant": async ({ page }) => {
    await page.run(() => {
      const input = document.querySelector(".look input");
      input.value = "2031-01-01T00:00";
      input.dispatchEvent(new Event("change"));
    });
    await page.sees("[role=status]", "100 of 100 new chats go to MIAW");
    await page.sees("svg .label.looked", "looked at");
  },
  "roll-back by keyboard alone": async ({ page }) => {
    await page.run(() => document.querySelector("h1").focus());
    await tab(page, "#roll-back");
    await page.press("Enter");
    await page.sees("dialog[open]");
    assert(await page.run(() => document.activeElement.matches("dialog textarea")), "the reason has no focus");
    await page.type("back again");
    await tab(page, "dialog button[type=submit]", 3);
    await page.press("Enter");
    await page.sees(".history li", "Rolled back");
    await page.sees(".tile .chip", "legacy");
  },
  "the pages are reached by keyboard alone": async ({ page }) => {
    await page.run(() => document.querySelector("#skip").focus());
    await tab(page, "nav a:nth-child(3)");
    await page.press("Enter");
    await page.sees("h1", "Chats");
  },
  "a dry run is made and read": async ({ page }) => {
    await open(page, "reports");
    await page.sees(".empty", "None yet");
    await page.run(() => {
      const files = document.querySelector("#make input[type=file]");
      const given = new DataTransfer();
      const text = JSON.stringify({ prechatDetails: [{ label: "Topic", value: "said in secret", transcriptFields: ["Topic__c"] }] });
      given.items.add(new File([text], "<img src=x onerror=console.error('inert?')>.json"));
      files.files = given.files;
    });
    await page.click("#make button[type=submit]");
    await page.sees("#report", "Report");
    await page.sees("section", "What to do");
    await page.sees("td .value", "<img src=x");
    await page.sees(".pairs", "SHA-256");
    assert(!(await page.run(() => document.body.textContent.includes("said in secret"))), "a value is shown");
  },
  "a report is signed with name and hash, and the history says so": async ({ page }) => {
    await page.click("#sign");
    await page.sees("dialog", "pat@ops.example.test");
    await page.click("dialog textarea");
    await page.type("read by both teams");
    await page.click("dialog button[type=submit]");
    await page.sees(".report-head .chip", "signed");
    const hash = await page.run(() => document.querySelector("#report").textContent.match(/[0-9a-f]{12}/)[0]);
    await open(page, "tenant");
    await page.sees(".history li", hash);
    await page.sees(".history .why", "read by both teams");
  },
  "two reports are compared": async ({ page }) => {
    await open(page, "reports");
    await page.run(() => { document.querySelector("#make select").value = "contact-and-case"; });
    await page.click("#make button[type=submit]");
    await page.sees("#report", "Report");
    await page.click("#compare");
    await page.sees("#difference h2", "Only in the later one");
    await page.sees("#difference", "→");
  },
  "a mapping is tried, edited, and the difference shown": async ({ page }) => {
    await open(page, "mapping");
    await page.sees("#attributes", "Siobhán");
    await page.run(() => {
      const [prechat, mapping] = document.querySelectorAll("textarea");
      prechat.value = '{"prechatDetails":[{"label":"Topic","value":"<b>Returns</b>"}]}';
      mapping.value = mapping.value.replace('"topic"', '"subject"');
    });
    await page.click("main form button[type=submit]");
    await page.sees("td .value", "<b>Returns</b>");
    await page.sees("section", "Difference");
    await page.sees("td .chip", "added");
    await page.sees("td .chip", "gone");
  },
  "a wrong mapping is told with its line": async ({ page }) => {
    await page.run(() => { document.querySelectorAll("textarea")[1].value = "version = 1\n[[rule]]\nlabel = 'x'\nt0 = 'y'\n"; });
    await page.click("main form button[type=submit]");
    await page.sees("[role=alert] pre", "mapping.toml:4:1");
    page.errors = page.errors.filter((one) => !one.includes("422"));
  },
  "a chat is looked at and ended": async ({ page }) => {
    await open(page, "chats");
    await page.click("tbody button.link");
    await page.sees("h2", "Chat ");
    await page.sees(".pairs", "decided");
    await page.sees(".points th", "To visitor");
    await page.sees(".points td time");
    await page.click("section .danger");
    await page.click("dialog button[type=submit]");
    await page.until("the chat is over", () => page.run(() => !document.querySelector("dialog")
      && [...document.querySelectorAll(".pairs .chip, .empty")].some((one) => /ended|No chat/.test(one.textContent))));
  },
  "the last hour, nodes and budgets are there, as pictures and as a table": async ({ page }) => {
    await open(page, "operations");
    await page.sees("svg.chart .bar");
    await page.click("section[aria-label='The last hour'] summary");
    await page.sees("caption", "minute by minute");
    await page.sees("section[aria-label=Nodes] th", "this process");
    await page.sees("section[aria-label='Tokens by org'] td", "of 200");
  },
  "the configuration is read again": async ({ page }) => {
    await open(page, "operations");
    await page.click("#reload");
    await page.click("dialog button[type=submit]");
    await page.sees("main", "Read again; nothing is different");
    await page.sees("code", await page.run(() => document.querySelector("code").textContent));
  },
  "hostile names of tenants, people and agents are text on every page": async ({ page }) => {
    await page.run((hostile) => {
      const real = window.fetch;
      const names = /globex|hooli|initech|Web_Support|pat@ops\.example\.test|read by both teams/g;
      window.fetch = async (path, given) => {
        const asked = decodeURIComponent(String(path)).replaceAll(hostile, "globex");
        const answer = await real(asked, given);
        const text = (await answer.text()).replace(names, hostile.replaceAll('"', '\\"'));
        return new Response(text, { status: answer.status, headers: answer.headers });
      };
    }, HOSTILE);
    for (const name of Object.keys(PAGES)) {
      await open(page, name);
      await page.sees("main", name === "mapping" ? "" : HOSTILE.slice(0, 9));
      const made = await page.run(() => document.querySelectorAll("main img, main script").length);
      assert(made === 0, `${name}: a name became markup`);
    }
    await page.run(() => { location.reload(); });
    await page.sees("h1");
  },
  "no serious finding of axe-core, in light and dark, on a desk and a phone": async ({ page, axe }) => {
    for (const scheme of ["light", "dark"]) {
      await page.scheme(scheme);
      for (const size of [DESKTOP, PHONE]) {
        await page.resize(size);
        for (const name of Object.keys(PAGES)) {
          await open(page, name);
          const found = await serious(page, axe);
          assert(found.length === 0, `${name}, ${scheme}, ${size.width}: ${found.join("\n    ")}`);
        }
      }
    }
  },
  "at phone width nothing is cut off": async ({ page }) => {
    await page.resize(PHONE);
    for (const name of Object.keys(PAGES)) {
      await open(page, name);
      const out = await page.run(cutOff);
      assert(out.length === 0, `${name}: ${out.join(" | ")}`);
    }
    await page.resize(DESKTOP);
  },
  "the theme is switched and kept": async ({ page }) => {
    const back = () => page.run(() => getComputedStyle(document.body).backgroundColor);
    await page.scheme("light");
    const light = await back();
    await page.run(() => {
      const choice = document.getElementById("theme");
      choice.value = "dark";
      choice.dispatchEvent(new Event("change"));
    });
    assert(light !== (await back()), "the switch changes nothing");
    await page.call("Page.reload");
    await page.sees("h1");
    assert(light !== (await back()), "the choice is forgotten");
  },
  "signed out, nothing is shown": async ({ page }) => {
    await page.click("#out");
    await page.sees("h1", "Sign in");
    assert(!(await page.run(() => document.body.textContent.includes("acme"))), "a tenant is still named");
  },
  "no error, no CSP violation, nothing hostile ran": async ({ page }) => {
    assert(page.errors.length === 0, page.errors.join("\n    "));
  },
};

async function pictures({ page, bridge, operate, propose }) {
  const folder = join(ROOT, "docs/images");
  await mkdir(folder, { recursive: true });
  const evidence = (errors) => ({
    kind: "evidence", hash: "5e".repeat(32), errors, madeAt: new Date(Date.now() - 3e7).toISOString(),
  });
  await propose("acme", "Dry run of 12,400 captured chats, read by both teams.", evidence(0));
  await propose("acme", "Change freeze over the weekend.", { kind: "freeze" });
  await propose("acme", "Monday, everybody is back.", { kind: "unfreeze" });
  await propose("acme", "First tenth, agreed with the service desk on Tuesday.", { kind: "stage", stage: "ramp 10 %" });
  await propose("globex", "Dry run before the second step.", evidence(2));
  for (const id of ["hooli", "initech"]) await startChat(bridge, id, id === "hooli" ? 3 : 4);
  const chat = await startChat(bridge, "initech", 4);
  for (let told = []; !told.some((one) => one.type === "ChatEstablished");) told = await chat.polls();
  for (const text of ["Hello", "Where is my parcel?"]) {
    await chat.says(text);
    for (let told = []; !told.some((one) => one.type === "ChatMessage");) told = await chat.polls();
  }
  const documents = JSON.parse(await readFile(join(ROOT, "mappings/samples/contact-and-case.json"), "utf8"));
  const made = async (name, change) => {
    const prechatDetails = documents.prechatDetails.map((one) => ({ ...one, value: String(one.value).slice(0, 30) }));
    const text = JSON.stringify({ ...documents, prechatDetails, ...change });
    const wish = { documents: [{ name, text }], evidenceAt: new Date(Date.now() - 2 * 864e5).toISOString() };
    return api(bridge, operate, "POST", "/admin/v1/tenants/acme/reports", wish);
  };
  await made("copilot of last week.json", { prechatEntities: [] });
  const report = await made("copilot.json", {});
  const { lastChange: expected } = await api(bridge, operate, "GET", "/admin/v1/tenants/acme");
  await api(bridge, operate, "POST", `/admin/v1/tenants/acme/reports/${report.report}/sign`, { expected, why: "Read by both teams; the losses are known to the service desk." });
  await signIn(page, operate);
  const shoot = async (name) => {
    await writeFile(join(folder, `console-${name}.png`), await page.picture());
    console.log(`docs/images/console-${name}.png`);
  };
  await page.scheme("light");
  await page.bare();
  for (const name of Object.keys(PAGES)) {
    await open(page, name);
    if (name === "tenant") {
      await page.click("label.pick:nth-of-type(4)");
      await page.click("main form .check input");
      await page.sees(".effect td strong", "on MIAW");
    }
    if (name === "chats") {
      const row = await page.run(() => [...document.querySelectorAll("tbody tr")].findIndex((one) => one.textContent.includes("2 in")) + 1);
      await page.click(`tbody tr:nth-child(${row}) button.link`);
      await page.sees(".points td time");
    }
    await page.resize({ ...DESKTOP, height: { tenant: 1900, mapping: 1400, chats: 1900, reports: 2200, operations: 2000 }[name] || 1000 });
    if (name === "reports") {
      await page.run((hash) => { location.hash = `#/reports/acme/${hash}`; }, report.report);
      await page.sees("#report");
      await page.click("#compare");
      await page.sees("#difference h2");
    }
    await page.run(() => { document.activeElement.blur(); window.scrollTo(0, 0); });
    await shoot(name);
  }
  await page.scheme("dark");
  await open(page, "tenant");
  await shoot("tenant-dark");
  await page.resize(PHONE);
  await open(page, "overview");
  await shoot("phone");
  return page.errors.length === 0;
}

const bridge = await startBridge(PROGRAM);
const browser = await Chromium.start();
let right = false;
try {
  const read = bridge.token("read", "--subject", "lee@ops.example.test");
  const operate = bridge.token("operate", "--subject", "pat@ops.example.test");
  const propose = async (id, why, action) => {
    const { lastChange: expected } = await api(bridge, operate, "GET", `/admin/v1/tenants/${id}`);
    await api(bridge, operate, "POST", `/admin/v1/tenants/${id}/changes`, { expected, why, action });
  };
  await propose("umbrella", "Holiday season: nothing moves until January.", { kind: "freeze" });
  for (let left = 2; left > 0; left -= 1) await startChat(bridge, "hooli", 3);
  const page = await browser.open(`${bridge.admin}/`, DESKTOP);
  const shown = process.argv.includes("--screenshots");
  const axe = shown ? "" : await readFile(AXE, "utf8");
  const given = { page, bridge, read, operate, axe, propose };
  right = await (shown ? pictures(given) : tests(story, given));
} finally {
  await browser.stop();
  await bridge.stop();
}
process.exit(right ? 0 : 1);
