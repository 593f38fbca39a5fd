// `npm run demo` as somebody runs it: page, relay and a peer that greets, until Ctrl-C.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NetworkManager } from "../../src/node/index.js";
import { ROOT } from "./packed.js";

test("the demo serves its page, meets who joins, and ends with Ctrl-C", { timeout: 60_000 }, async () => {
  const demo = spawn(process.execPath, [join(ROOT, "scripts/demo.mjs"), "--no-build", "--room", "hall"], { cwd: ROOT });
  const exit = new Promise<number | null>((resolve) => demo.once("exit", resolve));
  let output = "";
  demo.stdout.on("data", (data) => {
    output += data;
  });
  demo.stderr.on("data", (data) => {
    output += data;
  });
  const printed = async (pattern: RegExp): Promise<string> => {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const found = pattern.exec(output)?.[1];
      if (found) return found;
      if (Date.now() > deadline || demo.exitCode !== null) throw new Error(`the demo did not print ${pattern}:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  try {
    const url = await printed(/On this machine\s+(http:\S+)#room=hall/);
    const relay = await printed(/--relay (ws:\S+)/);
    const page = await fetch(url);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
    expect(await page.text()).toContain("linknet-relay");
    const net = new NetworkManager({ relays: [relay], name: "Visitor" });
    const greeted = new Promise<unknown>((resolve) => net.on("message", ({ payload }) => resolve(payload)));
    await net.start();
    await net.joinRoom("hall");
    expect(await greeted).toMatchObject({ text: expect.stringContaining("Visitor") });
    await net.stop();
  } finally {
    demo.kill("SIGINT");
  }
  expect(await exit).toBe(0);
});
