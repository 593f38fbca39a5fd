// Port mapping keeps no process alive, and stop() is waited for all the same.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import { beforeAll, expect, test } from "vitest";
import { FakePmpGateway, FakeUpnpGateway } from "./fake-gateways.js";

const outDir = fileURLToPath(new URL("../../../node_modules/.cache/linknet-mapping-exit", import.meta.url));

beforeAll(async () => {
  await build({
    config: false,
    silent: true,
    entry: { child: fileURLToPath(new URL("exit-child.ts", import.meta.url)) },
    outDir,
    external: ["udx-native"],
    format: "esm",
    target: "node20",
    outExtension: () => ({ js: ".mjs" }),
  });
}, 60_000);

/** Runs the program to its end. @returns how it ended, and how long after its last word */
async function runChild(story: string, pmpPort: number, ssdpPort: number) {
  const child = spawn(process.execPath, [`${outDir}/child.mjs`, story, `${pmpPort}`, `${ssdpPort}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const times: number[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
      times.push(performance.now());
    });
  }
  const deadline = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [code, killed] = await once(child, "close");
  clearTimeout(deadline);
  return { output, code, killed, times: [...times, performance.now()] };
}

test("a gateway that does not answer keeps no process alive", async () => {
  await using pmp = await FakePmpGateway.start({ pcp: false, natPmp: false });
  await using upnp = await FakeUpnpGateway.start();
  const { output, code, killed, times } = await runChild("asking", pmp.port, upnp.ssdpPort);
  expect({ output, code, killed }).toEqual({ output: "forgotten\n", code: 0, killed: null });
  expect((times[1] as number) - (times[0] as number)).toBeLessThan(1_000);
  expect(pmp.received.length).toBeGreaterThan(0);
});

test("a gateway that hangs over HTTP keeps no process alive", async () => {
  await using upnp = await FakeUpnpGateway.start({ pages: { "/desc.xml": () => undefined } });
  // Nobody listens at port 9 here, so that UPnP comes at once.
  const { output, code, killed, times } = await runChild("asking", 9, upnp.ssdpPort);
  expect({ output, code, killed }).toEqual({ output: "forgotten\n", code: 0, killed: null });
  expect((times[1] as number) - (times[0] as number)).toBeLessThan(1_000);
  expect(upnp.requests).toEqual(["GET /desc.xml"]);
});

test("close() is waited for, for a second, when the gateway has fallen silent", async () => {
  await using pmp = await FakePmpGateway.start();
  await using upnp = await FakeUpnpGateway.start();
  const silence = (): void => {
    pmp.behaviour.pcp = false;
    pmp.behaviour.natPmp = false;
  };
  pmp.onRequest = () => setImmediate(silence);
  const { output, code, killed, times } = await runChild("close", pmp.port, upnp.ssdpPort);
  expect({ output, code, killed }).toEqual({ output: "mapped\nclosed\n", code: 0, killed: null });
  expect((times[1] as number) - (times[0] as number)).toBeGreaterThan(900);
  expect((times[2] as number) - (times[0] as number)).toBeLessThan(2_500);
});

test("close() closes what was opened before the process ends", async () => {
  await using pmp = await FakePmpGateway.start();
  const { output, code } = await runChild("close", pmp.port, 9);
  expect({ output, code, open: pmp.open.size }).toEqual({ output: "mapped\nclosed\n", code: 0, open: 0 });
  // Lifetimes that were asked for, in s.
  expect([...new Set(pmp.received.map((request) => request.readUInt32BE(4)))]).toEqual([7_200, 0]);
});
