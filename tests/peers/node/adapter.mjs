// Runs one work of the benchmark with an npm system:
//   DATABASE_URL=postgres://… node adapter.mjs <system> <work> [--name value …]   |   node adapter.mjs list
// The last line on stdout is the answer as JSON. Exit code 3: the system does not offer the work.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const SELF = fileURLToPath(import.meta.url);
const LEAST_NODE = [22, 18];

// Both systems need a newer Node.js than distributions ship; package.json pins one.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
  const node = createRequire(import.meta.url).resolve("node/bin/node");
  const child = spawn(node, [SELF, ...process.argv.slice(2)], { stdio: "inherit" });
  child.on("exit", (code) => process.exit(code ?? 1));
} else {
  const { main } = await import("./works.mjs");
  await main(SELF, process.argv.slice(2));
}
