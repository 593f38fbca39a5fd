// After stop() a process ends by itself, whatever it did before.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import { beforeAll, describe, expect, test } from "vitest";

const OUT_DIR = fileURLToPath(new URL("../../../node_modules/.cache/linknet-manager-exit", import.meta.url));
const LINGER_MS = 2_000;

const STORIES: readonly (readonly [title: string, story: string, output: string])[] = [
  ["after a connection over TCP", "connected", "delivered"],
  ["after a connection over WebSocket", "webSocket", "delivered"],
  ["after a room and a path that turned direct", "room", "met"],
  [
    "after connects that failed, were aborted or were still under way",
    "failedConnects",
    "ERR_DIAL_TIMEOUT TimeoutError ERR_CLOSED ERR_DIAL_REFUSED",
  ],
  ["with a relay that was never there", "relayDown", "ERR_RELAY_UNAVAILABLE"],
  ["when stop comes while start is under way", "stopWhileStarting", "ERR_CLOSED"],
  ["after the other side has stopped", "otherSideStops", "told"],
];

describe("a process that has called stop() ends by itself", () => {
  beforeAll(async () => {
    await build({
      config: false,
      silent: true,
      entry: { child: fileURLToPath(new URL("exit-child.ts", import.meta.url)) },
      outDir: OUT_DIR,
      format: "esm",
      target: "node20",
      outExtension: () => ({ js: ".mjs" }),
    });
  }, 60_000);

  test.each(STORIES)("%s", { timeout: 40_000 }, async (_title, story, expected) => {
    const child = spawn(process.execPath, [`${OUT_DIR}/child.mjs`, story], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let saidAt = Number.NaN;
    child.stdout.on("data", (chunk) => {
      output += chunk;
      saidAt = performance.now();
    });
    child.stderr.on("data", (chunk) => {
      output += chunk;
    });
    const deadline = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const [code, signal] = await once(child, "close");
    clearTimeout(deadline);
    expect({ output, code, signal }).toEqual({ output: `${expected}\n`, code: 0, signal: null });
    expect(performance.now() - saidAt).toBeLessThan(LINGER_MS);
  });
});
