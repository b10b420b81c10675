// What the demo's tests do with its page: start it, chat on both sides, press scenarios.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { PROGRAM } from "./story.mjs";

export const DESKTOP = { width: 1440, height: 900 };
/** Where zones lie on the slider, as shares of its width. */
export const IN_MARGIN = 0.5;
export const PAST_REMOVAL = 0.7;

export async function startDemo() {
  const child = spawn(PROGRAM, ["demo", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    const [, address] = line.match(/^listening\s+(\S+)/) || [];
    if (address) return { address, stop: () => child.kill("SIGTERM") && ended };
  }
  throw new Error("the demo ended before it listened");
}

/** Starts a chat with the suggested form; another one than the first needs its tab. */
export async function startChat(page, letter) {
  if (letter !== "A") await page.click("#tabs .tab:last-child");
  await page.click("#start");
  await page.sees("#tabs .tab[aria-selected=true] .chip", letter);
  await page.sees("#wire .decision", `Chat ${letter} goes to`);
}

export async function accept(page) {
  await page.click("#queue [data-accept]");
  await page.sees("#visitor-lines .note", "joined");
}

/** Opens the same chat on both sides. */
export async function look(page, letter) {
  await page.click(`#tabs [data-tab="${letter.charCodeAt(0) - 65}"]`);
  const name = (await page.texts("#tabs .tab[aria-selected=true]"))[0].trim();
  const visitor = name.replace(/^\S+\s+/, "");
  const id = await page.run((who) => {
    const rows = [...document.querySelectorAll("#queue .open")];
    return rows.find((one) => one.querySelector("b").textContent === who).dataset.chat;
  }, visitor);
  await page.click(`#queue [data-chat="${id}"]`);
}

export async function write(page, field, text) {
  await page.click(field);
  await page.type(text);
  await page.press("Enter");
}

export const zone = (page, name) => page.sees(`body[data-zone=${name}] #zone`);

/** Elements that reach beyond the window's right edge, except where that is meant. */
export const cutOff = (page) => page.run(() => {
  const all = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility());
  const out = all.filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1
    && !one.closest("#tabs, #wire, .log, .zones, .unseen, .skip"));
  const wide = document.documentElement.scrollWidth > window.innerWidth ? ["the page itself"] : [];
  return [...wide, ...out.slice(0, 3).map((one) => one.outerHTML.slice(0, 90))];
});
