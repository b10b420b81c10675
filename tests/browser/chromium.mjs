// A real Chromium, driven over its own debugging protocol through a pipe: no driver program, no
// package, no port. Clicks, keys and drags are real input events.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--disable-extensions", "--no-default-browser-check", "--remote-debugging-pipe",
];
/** The longest wait for any one thing. */
const WAIT_MS = 15_000;
/** Between two looks at the page. */
const LOOK_AGAIN_MS = 25;
const DRAG_STEPS = 12;

const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

export class Chromium {
  static async start(program = process.env.CHROMIUM || "chromium") {
    const profile = await mkdtemp(join(tmpdir(), "liveagent-bridge-browser-"));
    const child = spawn(program, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const browser = new Chromium(child, profile);
    await Promise.race([browser.call("Browser.getVersion"), browser.died]);
    return browser;
  }

  constructor(child, profile) {
    Object.assign(this, { child, profile, last: 0, waiting: new Map(), pages: new Map(), rest: "" });
    this.died = new Promise((_, reject) => {
      child.on("error", (error) => reject(new Error(`chromium does not start: ${error.message}`)));
      child.on("exit", (code) => reject(new Error(`chromium ended with ${code}`)));
    });
    this.died.catch(() => {});
    child.stdio[4].setEncoding("utf8").on("data", (text) => this.read(text));
    child.stdio[3].on("error", () => {});
  }

  read(text) {
    const parts = (this.rest + text).split("\0");
    this.rest = parts.pop();
    for (const part of parts) this.take(JSON.parse(part));
  }

  take({ id, result, error, method, params, sessionId }) {
    if (!id) {
      this.pages.get(sessionId)?.happened(method, params);
      return;
    }
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  }

  call(method, params = {}, sessionId = undefined) {
    const id = (this.last += 1);
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return Promise.race([answer, this.died]);
  }

  async open(url, size) {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const page = await this.attach(targetId);
    await page.resize(size);
    await page.go(url);
    return page;
  }

  /** The tab that the page opened by itself, once its address contains a text. */
  async opened(part) {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const { targetInfos } = await this.call("Target.getTargets");
      const found = targetInfos.find((one) => one.type === "page" && one.url.includes(part));
      if (found) return this.attach(found.targetId);
      if (Date.now() > deadline) throw new Error(`no tab was opened with ${part}`);
      await pause(LOOK_AGAIN_MS);
    }
  }

  async attach(targetId) {
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId);
    this.pages.set(sessionId, page);
    for (const domain of ["Page", "Runtime", "Log"]) await page.call(`${domain}.enable`);
    return page;
  }

  async stop() {
    const ended = this.died.catch(() => {});
    this.call("Browser.close").catch(() => {});
    await Promise.race([ended, pause(WAIT_MS)]);
    this.child.kill("SIGKILL");
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Page {
  constructor(browser, session) {
    /** Whatever the console showed that a user should not see. */
    Object.assign(this, { browser, session, errors: [], loads: 0 });
  }

  call(method, params) {
    return this.browser.call(method, params, this.session);
  }

  happened(method, params) {
    if (method === "Page.loadEventFired") this.loads += 1;
    if (method === "Runtime.exceptionThrown") {
      const { exception, text } = params.exceptionDetails;
      this.errors.push(exception?.description || text);
    }
    if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params.type)) {
      this.errors.push(params.args.map((one) => one.value || one.description).join(" "));
    }
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) {
      this.errors.push(`${params.entry.text} ${params.entry.url || ""}`);
    }
  }

  async go(url) {
    const before = this.loads;
    await this.call("Page.navigate", { url });
    await this.until(`${url} is loaded`, () => this.loads > before);
  }

  /** Pictures without scroll bars. */
  bare() {
    return this.call("Emulation.setScrollbarsHidden", { hidden: true });
  }

  resize({ width, height, mobile = false }) {
    const metrics = { width, height, deviceScaleFactor: mobile ? 2 : 1, mobile };
    return this.call("Emulation.setDeviceMetricsOverride", metrics);
  }

  /** Without motion: a colour on its way from one scheme to the other is neither. */
  scheme(value) {
    const still = { name: "prefers-reduced-motion", value: "reduce" };
    const features = [{ name: "prefers-color-scheme", value }, still];
    return this.call("Emulation.setEmulatedMedia", { features });
  }

  /** As on paper, or on a screen again. */
  media(media) {
    return this.call("Emulation.setEmulatedMedia", { media, features: [] });
  }

  /** Calls a function in the page. */
  async run(made, ...args) {
    const expression = `(${made})(...${JSON.stringify(args)})`;
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }

  /** Waits until a function answers something true. */
  async until(what, look) {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const found = await look();
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** Waits until an element is there, visible, and contains a text. */
  sees(selector, text = "") {
    const look = (css, wanted) => [...document.querySelectorAll(css)].some(
      (one) => one.checkVisibility() && one.textContent.includes(wanted));
    return this.until(`${selector} shows “${text}”`, () => this.run(look, selector, text));
  }

  /** The texts of all elements that match. */
  texts(selector) {
    return this.run((css) => [...document.querySelectorAll(css)].map((one) => one.textContent),
      selector);
  }

  /** The middle of an element, scrolled into view. */
  async spot(selector) {
    await this.sees(selector);
    return this.run((css) => {
      const one = [...document.querySelectorAll(css)].find((found) => found.checkVisibility());
      one.scrollIntoView({ block: "center", behavior: "instant" });
      const { left, top, width, height } = one.getBoundingClientRect();
      return { x: left + width / 2, y: top + height / 2, left, width };
    }, selector);
  }

  mouse(type, { x, y }, buttons = 0) {
    const button = type === "mouseMoved" && !buttons ? "none" : "left";
    const clickCount = type === "mouseMoved" ? 0 : 1;
    return this.call("Input.dispatchMouseEvent", { type, x, y, button, buttons, clickCount });
  }

  async click(selector) {
    const at = await this.spot(selector);
    await this.mouse("mouseMoved", at);
    await this.mouse("mousePressed", at, 1);
    await this.mouse("mouseReleased", at);
  }

  /** Drags the thumb of a range input to a share of its width. */
  async drag(selector, share) {
    const at = await this.spot(selector);
    // The middle of the thumb moves over the width less one thumb.
    const THUMB = 16;
    const x = (part) => at.left + THUMB / 2 + part * (at.width - THUMB);
    const now = await this.run((css) => {
      const input = document.querySelector(css);
      return (input.value - input.min) / (input.max - input.min);
    }, selector);
    await this.mouse("mouseMoved", { x: x(now), y: at.y });
    await this.mouse("mousePressed", { x: x(now), y: at.y }, 1);
    for (let step = 1; step <= DRAG_STEPS; step += 1) {
      const part = now + ((share - now) * step) / DRAG_STEPS;
      await this.mouse("mouseMoved", { x: x(part), y: at.y }, 1);
    }
    await this.mouse("mouseReleased", { x: x(share), y: at.y });
  }

  type(text) {
    return this.call("Input.insertText", { text });
  }

  async press(key) {
    const codes = { Enter: 13, Tab: 9, " ": 32, ArrowRight: 39, ArrowLeft: 37, ArrowUp: 38, Escape: 27 };
    const text = { Enter: "\r", " ": " " }[key];
    const code = key === " " ? "Space" : key;
    const event = { key, code, windowsVirtualKeyCode: codes[key], text };
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...event, text: undefined });
  }

  async picture() {
    const { data } = await this.call("Page.captureScreenshot", { format: "png" });
    return Buffer.from(data, "base64");
  }

  /** The page as a PDF on the paper that its style asks for. */
  async paper() {
    const options = { preferCSSPageSize: true, printBackground: true };
    const { data } = await this.call("Page.printToPDF", options);
    return Buffer.from(data, "base64");
  }
}
