// Two processes of `linknet chat` and a file between them, one of which is killed in the middle: the other half alone is sent again.

import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkManager } from "linknet";
import { createRelay } from "linknet/relay";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { encodeTicket } from "../../src/core/ticket.js";
import type { Cut } from "../node/links/cut-plan.js";
import { CuttingProxy } from "../node/links/cutting-proxy.js";
import { buildChat, ChatProcess } from "./chat-process.js";

const MIB = 1024 * 1024;
const SIZE = 40 * MIB;
/** Nothing more passes after so many bytes, so that the receiver is killed in the middle however fast the machine is. */
const HALT_BYTES = 16 * MIB;
/** What it has put away by then: all but what the connection holds. */
const LEAST_BEFORE_BYTES = 8 * MIB;
/** Handshake, records, tags, acknowledgements and reports: less than one part in fifty, and the beginning. */
const OVERHEAD = 1.02;
const BEGINNING_BYTES = 64 * 1024;

const SEEDS = { alice: new Uint8Array(32).fill(21), bob: new Uint8Array(32).fill(22) };

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

let program = "";
beforeAll(async () => {
  program = await buildChat();
}, 60_000);

function chat(args: readonly string[]): ChatProcess {
  const process = new ChatProcess(program, args);
  onTestFinished(() => process.kill());
  return process;
}

/** Waits until the one part in the folder is long enough, and grows no more. @returns its length in bytes */
async function partIn(folder: string): Promise<number> {
  const length = (): number => {
    const parts = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => name.endsWith(".part"));
    return parts[0] ? statSync(join(folder, parts[0].name)).size : 0;
  };
  const deadline = performance.now() + 15_000;
  for (let before = -1; ; ) {
    const now = length();
    if (now >= LEAST_BEFORE_BYTES && now === before) return now;
    if (performance.now() > deadline) throw new Error(`the part has ${now} bytes`);
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test("a file whose receiver is killed in the middle goes on when it is started again", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "linknet-resume-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [file, downloads] = [join(folder, "film.bin"), join(folder, "downloads")];
  writeFileSync(file, randomBytes(SIZE));
  for (const [name, seed] of Object.entries(SEEDS)) writeFileSync(join(folder, `${name}.key`), seed);
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
  onTestFinished(() => relay.close());

  // Alice waits in a room. Bob knows one way to her: through the proxy, which counts, and halts his first connection.
  const alice = chat(["hall", "--relay", relay.url, "--name", "Alice", "--identity", join(folder, "alice.key")]);
  const port = Number(await alice.printed(/Listening on port (\d+)/));
  const cuts: (Cut | null)[] = [{ kind: "stall", afterBytes: HALT_BYTES, forMs: 30_000, side: "dialler", partBytes: 1 }];
  const proxy = await CuttingProxy.open(port, { next: () => cuts.shift() ?? null });
  onTestFinished(() => proxy.stop());
  const ticket = encodeTicket({
    peerId: new NetworkManager({ identity: SEEDS.alice }).peerId,
    relays: [],
    addresses: [`tcp://127.0.0.1:${proxy.port}`],
  });
  // Nobody is at Bob's relay, so nothing passes beside the proxy.
  const asBob = ["--ticket", ticket, "--relay", "ws://127.0.0.1:9", "--name", "Bob"];
  const bobsArgs = [...asBob, "--identity", join(folder, "bob.key"), "--downloads", downloads];

  const first = chat(bobsArgs);
  await alice.printed(/Bob joined/);
  alice.type(`/send ${file}`);
  await first.printed(/Alice sends film\.bin/);
  const before = await partIn(downloads);
  await first.kill();
  const startedAt = performance.now();
  const passedBefore = proxy.passedBytes;

  const second = chat(bobsArgs);
  expect(await second.printed(/Alice goes on with film\.bin/)).not.toBe("");
  const saved = await second.printed(/Saved as (.*film\.bin)/);
  await alice.printed(/Bob has film\.bin/);
  const again = proxy.passedBytes - passedBefore;
  console.log(
    `${before} of ${SIZE} bytes were there when the receiver was killed; ${again} passed afterwards, ` +
      `in ${((performance.now() - startedAt) / 1000).toFixed(1)} s from then on`,
  );

  expect(sha256(saved)).toBe(sha256(file));
  // What was missing has passed, and hardly more.
  expect(again).toBeGreaterThan(SIZE - before);
  expect(again).toBeLessThan((SIZE - before) * OVERHEAD + BEGINNING_BYTES);
  expect(second.output).not.toMatch(/Alice sends film/);
  expect(readdirSync(downloads)).toEqual(["film.bin"]);
  expect(proxy.accepted).toBe(2);
});
