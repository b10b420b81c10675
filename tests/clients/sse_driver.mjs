// What the drivers of npm event stream libraries share: the stage, one deadline, what must have
// been read, and the one line of JSON that tests/run reads. See sse_driver.py.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** What one library has read, and what it must have. */
export class Reader {
  constructor(client) {
    const { values } = parseArgs({
      options: {
        stage: { type: "string" },
        packages: { type: "string", default: "target/clients/node" },
        deadline: { type: "string", default: "60" },
      },
    });
    if (!values.stage) {
      console.error(`usage: ${client} --stage what-sse_stage.py-printed.json`);
      process.exit(2);
    }
    this.packages = resolve(values.packages);
    this.stage = JSON.parse(readFileSync(values.stage, "utf8"));
    this.url = this.stage.url;
    /** Those of the first connection; the id is the one that the token came with. */
    this.headers = { ...this.stage.headers, "last-event-id": "0" };
    this.live = `live: ${client}`;
    this.report = { client, mode: "stream", ok: false };
    Object.assign(this.report, { ids: [], texts: [], pings: 0, opened: 0, problems: [] });
    const fail = error => this.fail(error?.stack ?? error);
    setTimeout(() => fail(`deadline of ${values.deadline} s reached`), values.deadline * 1000);
    process.on("uncaughtException", fail);
    process.on("unhandledRejection", fail);
  }

  /** An installed CommonJS package. */
  require(name) {
    return createRequire(join(this.packages, "package.json"))(name);
  }

  /** A connection was made. */
  opened() {
    this.report.opened += 1;
  }

  /** One event, as the library tells it. */
  event(name, id, data) {
    const { report, stage } = this;
    if (name === "ping") report.pings += 1;
    else report.ids.push(id);
    if (name === "CONVERSATION_MESSAGE") {
      const payload = JSON.parse(JSON.parse(data).conversationEntry.entryPayload);
      report.texts.push(payload.abstractMessage.staticContent.text);
    }
    // The replay is over and the stream stands still: now an event that is on its way while the
    // library waits.
    if (name === "ping" && !this.asked && report.texts.includes(stage.texts.at(-1))) {
      this.asked = true;
      const said = { method: "POST", body: JSON.stringify({ text: this.live }) };
      fetch(stage.say, said).then(answer => answer.ok || this.fail("the agent cannot speak"));
    }
    if (report.texts.at(-1) === this.live) this.finish();
  }

  fail(text) {
    this.report.problems.push(String(text));
    this.print();
  }

  finish() {
    const { report, stage } = this;
    const numbers = report.ids.map(Number);
    if (!numbers.every((n, at) => n > 0 && (at === 0 || n > numbers[at - 1]))) {
      report.problems.push("the ids do not grow: something came twice or out of order");
    }
    // The echo agent's greeting comes first.
    const said = report.texts.filter(text => !text.startsWith("live: ")).slice(1);
    if (JSON.stringify(said) !== JSON.stringify(stage.texts)) {
      const of = `${said.length} of ${stage.texts.length}`;
      report.problems.push(`the texts are not those of the agent: ${of}`);
    }
    if (report.opened < 3) {
      report.problems.push(`opened ${report.opened} times: it was never broken and resumed`);
    }
    if (!report.pings) report.problems.push("no ping was told");
    report.ok = report.problems.length === 0;
    this.print();
  }

  print() {
    // The texts are long and known.
    const shown = { ...this.report, texts: this.report.texts.length };
    process.stdout.write(`${JSON.stringify(shown)}\n`, () => process.exit(shown.ok ? 0 : 1));
  }
}
