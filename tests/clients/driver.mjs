// What the Node drivers share: arguments, the list of what must happen in a chat, waiting with one
// deadline, and the one line of JSON that tests/run reads.
//
// A driver plays the host program of a client library: it calls the library as its documentation
// says and looks only at what the library reports back. It never speaks the protocol itself.

import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

/** What the visitor writes; the desk's echo agent answers each with `echo: <text>`. */
export const LINES = ["hello from a third-party client", "second line: Grüße, 你好, <b>&</b> 👋"];

/** The text on which the echo agent ends the chat instead of answering. */
export const AGENT_END = "agent_end";

export class Driver {
  constructor(client) {
    const { values } = parseArgs({
      options: {
        base: { type: "string" },
        org: { type: "string", default: "00D000000000001" },
        deployment: { type: "string", default: "572000000000001" },
        button: { type: "string", default: "573000000000001" },
        mode: { type: "string", default: "direct" },
        end: { type: "string", default: "visitor" },
        packages: { type: "string", default: "target/clients/node" },
        deadline: { type: "string", default: "60" },
      },
    });
    if (!values.base) {
      console.error(`usage: ${client} --base http://127.0.0.1:PORT [--end visitor|agent] …`);
      process.exit(2);
    }
    this.options = values;
    this.report = { client, mode: values.mode, end: values.end, ok: false };
    Object.assign(this.report, { steps: [], received: [], problems: [] });
    this.waiting = [];
    const give_up = () => {
      const open = this.waiting.map(w => w.what).join(", ") || "nothing in particular";
      this.problem(`deadline of ${values.deadline} s reached while waiting for: ${open}`);
      this.finish();
    };
    setTimeout(give_up, Number(values.deadline) * 1000);
    process.on("uncaughtException", error => this.fail(error));
    process.on("unhandledRejection", error => this.fail(error));
  }

  /** An installed CommonJS package. */
  require(name) {
    return createRequire(join(resolve(this.options.packages), "package.json"))(name);
  }

  /** The address of a file of an installed package, for `import()`. */
  url(path) {
    return pathToFileURL(join(resolve(this.options.packages), "node_modules", path)).href;
  }

  /** Something happened, the first time it did. */
  step(name) {
    if (!this.report.steps.includes(name)) this.report.steps.push(name);
    this.settle();
  }

  /** The client showed a text of the agent. */
  receive(text) {
    this.report.received.push(text);
    this.step(text.startsWith("echo: ") ? "reply" : "greeting");
  }

  problem(text) {
    this.report.problems.push(String(text));
  }

  fail(error) {
    this.problem(error?.stack ?? error);
    this.finish();
  }

  /** Resolves once `condition()` holds; it is looked at after every step. */
  until(what, condition) {
    return new Promise(done => {
      this.waiting.push({ what, condition, done });
      this.settle();
    });
  }

  /** Resolves once the step was seen. */
  seen(name) {
    return this.until(name, () => this.report.steps.includes(name));
  }

  /** Resolves once the client has shown the agent's answer to `text`. */
  answered(text) {
    return this.until(`echo: ${text}`, () => this.report.received.includes(`echo: ${text}`));
  }

  settle() {
    const ready = this.waiting.filter(w => w.condition());
    this.waiting = this.waiting.filter(w => !ready.includes(w));
    for (const { done } of ready) done();
  }

  /** Compares what happened with what must, prints the report, ends the process. */
  finish(expected = [], texts = []) {
    const { report } = this;
    const missing = expected.filter(name => !report.steps.includes(name));
    if (missing.length) this.problem(`never happened: ${missing.join(", ")}`);
    const echoes = report.received.slice(1);
    const wanted = texts.map(text => `echo: ${text}`);
    if (expected.length && JSON.stringify(echoes) !== JSON.stringify(wanted)) {
      this.problem(`after the greeting the texts should be ${JSON.stringify(wanted)}`);
    }
    report.ok = expected.length > 0 && report.problems.length === 0;
    process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(report.ok ? 0 : 1));
  }
}
