// The command `linknet relay` as a process of its own: what it prints, how it ends, and that it ends.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RawClient } from "./raw-client.js";

const folder = mkdtempSync(join(tmpdir(), "relay-command-"));
const script = join(folder, "relay.cjs");
const children: ChildProcess[] = [];

beforeAll(async () => {
  const command = JSON.stringify(fileURLToPath(new URL("../../src/server/relay-command.ts", import.meta.url)));
  const entry = join(folder, "relay.ts");
  writeFileSync(entry, `import { runRelayCommand } from ${command};\nvoid runRelayCommand(process.argv.slice(2));\n`);
  await build({
    entry: [entry],
    format: ["cjs"],
    outDir: folder,
    config: false,
    dts: false,
    silent: true,
    noExternal: [/./],
    target: "node20",
  });
}, 60_000);

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly exit: Promise<number | null>;
  seen(pattern: RegExp): Promise<RegExpMatchArray>;
}

function run(...args: string[]): Run {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let [output, errors] = ["", ""];
  child.stdout?.on("data", (data) => {
    output += data;
  });
  child.stderr?.on("data", (data) => {
    errors += data;
  });
  const exit = once(child, "close").then(([code]) => code as number | null);
  const seen = async (pattern: RegExp): Promise<RegExpMatchArray> => {
    for (;;) {
      const match = output.match(pattern);
      if (match) return match;
      if (child.exitCode !== null) throw new Error(`ended before it said ${pattern}: ${errors}`);
      await Promise.race([once(child.stdout as NodeJS.ReadableStream, "data"), exit]);
    }
  };
  return { child, output: () => output, errors: () => errors, exit, seen };
}

describe("linknet relay", () => {
  test.each(["SIGINT", "SIGTERM"] as const)("listens, lets clients in, and closes them in good order on %s", async (signal) => {
    const relay = run("--port", "0", "--host", "127.0.0.1");
    const [, url] = await relay.seen(/relay listening on (\S+)/);
    await relay.seen(/STUN on UDP port \d+/);
    const client = new RawClient(url as string);
    const key = await client.login();
    await relay.seen(/login peer=/);
    // A log is passed around: it names a client, but not in full.
    expect(relay.output()).not.toContain(key.peerId);
    expect(relay.output()).toContain(`peer=${key.peerId.slice(0, 8)} `);
    relay.child.kill(signal);
    expect((await client.closed).code).toBe(4010);
    expect(await relay.exit).toBe(0);
    expect(relay.errors()).toBe("");
  });

  test("is silent about clients with --quiet, and without STUN when told so", async () => {
    const relay = run(
      "--port",
      "0",
      "--host",
      "127.0.0.1",
      "--quiet",
      "--stun-port",
      "off",
      "--public-url",
      "wss://relay.example",
    );
    await relay.seen(/STUN is off/);
    const [, port] = await relay.seen(/bound to TCP port (\d+)/);
    expect(relay.output()).toContain("relay listening on wss://relay.example\n");
    const client = new RawClient(`ws://127.0.0.1:${port}`);
    await client.login(undefined, "relay.example:443");
    relay.child.kill("SIGTERM");
    await relay.exit;
    expect(relay.output()).not.toContain("login");
  });

  test.each([
    ["127.0.0.2:0", /STUN's second address is 127\.0\.0\.2:\d+\n/],
    ["127.0.0.2", /STUN's second address is 127\.0\.0\.2:20481\n/],
  ])("answers STUN from a second address with --stun-alternate %s", async (alternate, text) => {
    const relay = run("--port", "0", "--host", "127.0.0.1", "--stun-port", "20480", "--stun-alternate", alternate);
    await relay.seen(text);
    relay.child.kill("SIGTERM");
    expect(await relay.exit).toBe(0);
  });

  test("explains itself", async () => {
    const help = run("--help");
    expect(await help.exit).toBe(0);
    for (const flag of ["--port", "--host", "--public-url", "--stun-port", "--stun-alternate", "--quiet"])
      expect(help.output()).toContain(flag);
  });

  test.each([
    [["--port", "eighty"], 2, /--port takes a whole number/],
    [["--port", "70000"], 2, /--port takes a whole number/],
    [["--stun-port", "on"], 2, /or "off"/],
    [["--stun-alternate", "localhost"], 2, /--stun-alternate takes an address/],
    [["--stun-alternate", "127.0.0.2:70000"], 2, /--stun-alternate takes a whole number/],
    [["--stun-alternate", "127.0.0.2"], 1, /two addresses of this machine/],
    [["--colour"], 2, /--help explains the flags/],
    [["extra"], 2, /--help explains the flags/],
    [["--port", "0", "--public-url", "relay.example"], 1, /wss:\/\/relay\.example/],
    [["--port", "0", "--host", "203.0.113.1"], 1, /does not have this address/],
  ] as const)("says what is wrong with %j", async (args, code, text) => {
    const wrong = run(...args);
    expect(await wrong.exit).toBe(code);
    expect(wrong.errors()).toMatch(text);
    expect(wrong.errors()).not.toContain("    at ");
  });

  test("says what to do when the port is in use", async () => {
    const first = run("--port", "0", "--host", "127.0.0.1", "--stun-port", "off");
    const [, port] = await first.seen(/:(\d+)\n/);
    const second = run("--port", port as string, "--host", "127.0.0.1", "--stun-port", "off");
    expect(await second.exit).toBe(1);
    expect(second.errors()).toContain("Give another one with --port");
  });
});
