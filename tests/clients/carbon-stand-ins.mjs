// A module resolver: whatever @carbon/ai-chat imports from another package is a library for drawing
// (React, Lit, Carbon components) and resolves to a stand-in that accepts every use and does
// nothing. Files of the package itself are loaded as they are.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const SCHEME = "stand-in:";
const PACKAGE = "/node_modules/@carbon/ai-chat/";

const STAND_IN = `
const make = () => new Proxy(function standIn() {}, {
  get: (target, key) => {
    if (key === Symbol.toPrimitive) return () => "";
    if (key === Symbol.iterator) return undefined;
    if (key === "prototype") return target.prototype;
    return make();
  },
  set: () => true,
  apply: () => make(),
  construct: () => ({}),
});
export default make();
`;

export async function resolve(specifier, context, next) {
  const inside = context.parentURL?.includes(PACKAGE);
  const own = specifier.startsWith(".") || specifier.startsWith("node:");
  if (!inside || own) return next(specifier, context);
  const names = await imported(specifier, context.parentURL);
  return { url: `${SCHEME}${specifier}?${names.join(",")}`, shortCircuit: true };
}

export async function load(url, context, next) {
  if (!url.startsWith(SCHEME)) return next(url, context);
  const names = url.split("?")[1].split(",").filter(Boolean);
  const exports = names.map(name => `export const ${name} = make();`);
  return { format: "module", source: STAND_IN + exports.join("\n"), shortCircuit: true };
}

/** The names that the importing file takes from `specifier`; a stand-in must export each. */
async function imported(specifier, parent) {
  const source = await readFile(fileURLToPath(parent), "utf8");
  const names = new Set();
  for (const [, clause, from] of source.matchAll(/^import ([^'"]+) from ['"]([^'"]+)['"]/gm)) {
    if (from !== specifier) continue;
    const list = clause.match(/\{([^}]*)\}/)?.[1] ?? "";
    for (const item of list.split(",")) names.add(item.trim().split(/\s+as\s+/)[0]);
    const space = clause.match(/\*\s+as\s+(\S+)/)?.[1];
    if (!space) continue;
    const uses = new RegExp(`\\b${space.replaceAll("$", "\\$&")}\\.(\\w+)`, "g");
    for (const [, member] of source.matchAll(uses)) names.add(member);
  }
  names.delete("");
  names.delete("default");
  return [...names].sort();
}
