#!/usr/bin/env node
// Runs the binary of the one platform package that npm, pnpm or yarn installed beside this one. Nothing is
// downloaded, and there is no install script.
"use strict";

const { spawn } = require("node:child_process");

const name = `@d1-rewind/${process.platform}-${process.arch}`;
let binary;
try {
  binary = require.resolve(`${name}/d1-rewind${process.platform === "win32" ? ".exe" : ""}`);
} catch {
  console.error(`d1-rewind: its package for this machine, ${name}, is not installed.`);
  console.error("Was it installed with --omit=optional, or node_modules copied from another system? Then install again here, without.");
  console.error("There are packages for linux, darwin and win32, each for x64 and arm64.");
  process.exit(1);
}

// The name is what the program prints in commands to copy.
const child = spawn(binary, process.argv.slice(2), { stdio: "inherit", argv0: "npx d1-rewind" });
child.on("error", (error) => {
  console.error(`d1-rewind: ${error.message}`);
  process.exit(1);
});

// A terminal sends its interrupt to both, others to this process only; the program takes two at once as one. On Windows the
// console tells both, and kill would end the program in the middle of its work:
// https://nodejs.org/api/child_process.html#subprocesskillsignal
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of signals) process.on(signal, () => process.platform === "win32" || child.kill(signal));
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  for (const s of signals) process.removeAllListeners(s);
  process.kill(process.pid, signal);
});
