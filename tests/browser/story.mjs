// What every suite of the browser shares: where things are, and how a story is run.

import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const TARGET = process.env.CARGO_TARGET_DIR || join(ROOT, "target");
// Absolute: a bridge may be started in a folder of its own.
export const PROGRAM = resolve(process.env.LIVEAGENT_BRIDGE || join(TARGET, "debug/liveagent-bridge"));
export const AXE = process.env.AXE || join(TARGET, "clients/node/node_modules/axe-core/axe.min.js");
export const PHONE = { width: 390, height: 844, mobile: true };

export function assert(right, message) {
  if (!right) throw new Error(message);
}

/** Runs a story, scene after scene; the last line is `N passed, N failed`. */
export async function tests(story, given) {
  let [passed, failed] = [0, 0];
  for (const [name, scene] of Object.entries(story)) {
    const began = Date.now();
    try {
      await scene(given);
      passed += 1;
      console.log(`ok      ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n    ${error.message}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}
