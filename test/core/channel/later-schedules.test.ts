// Random schedules of records that are sealed and opened elsewhere: what arrives is what was sent, in order, whatever is ready first.

import { expect, test } from "vitest";
import { MAX_WAITING_BYTES, RecordPipeline } from "../../../src/core/channel/record-pipeline.js";
import { CipherState } from "../../../src/core/noise/cipher-state.js";
import { settled } from "../../sim/flush.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { digests, flip, LaterCrypto, LaterLab } from "./later-crypto.js";
import type { End } from "./support.js";

const KEY = new Uint8Array(32).fill(5);

/** A record from `random`; one in three is big. */
function draw(random: SeededRandom, big: number): Uint8Array {
  const bytes = new Uint8Array(random.below(3) ? random.below(50) : 1000 + random.below(big)).fill(random.u32());
  bytes.set(random.bytes(4).subarray(0, bytes.length));
  return bytes;
}

function answerOne(random: SeededRandom, place: LaterCrypto): void {
  const work = place.open[random.below(place.open.length)];
  if (random.below(8) === 0) work?.refuse();
  else work?.settle();
}

/** Two ciphers with a pipeline each, without anything between them. */
class Row {
  readonly place = new LaterCrypto();
  readonly sent: Uint8Array[] = [];
  readonly received: Uint8Array[] = [];
  failure: unknown = null;
  most = 0;
  readonly #send = new CipherState(this.place.crypto, "ChaChaPoly", KEY);
  readonly #receive = new CipherState(this.place.crypto, "ChaChaPoly", KEY);
  readonly #altered: number;
  #frames = 0;
  readonly sealing = new RecordPipeline(
    (frame) => this.#arrive(frame),
    (error) => this.#fail(error),
  );
  readonly opening = new RecordPipeline(
    (bytes) => this.received.push(bytes),
    (error) => this.#fail(error),
  );

  /** @param altered - number of the record that is altered on the way; -1 for none */
  constructor(altered: number) {
    this.#altered = altered;
  }

  get waiting(): number {
    return this.sealing.bytes + this.opening.bytes;
  }

  send(bytes: Uint8Array): void {
    this.sent.push(bytes.slice());
    this.sealing.push(this.#send.later("seal", bytes) ?? this.#send.seal(bytes));
    bytes.fill(0);
    if (this.sent.length % 7 === 0) this.#send.rekey();
    this.most = Math.max(this.most, this.sealing.bytes, this.opening.bytes);
  }

  #arrive(frame: Uint8Array): void {
    if (this.failure) return;
    const arrived = this.#frames++ === this.#altered ? flip(frame) : frame;
    try {
      this.opening.push(this.#receive.later("open", arrived) ?? this.#receive.open(arrived));
    } catch (error) {
      this.opening.handOn(0);
      this.#fail(error);
      return;
    }
    if (this.#frames % 7 === 0) this.#receive.rekey();
  }

  #fail(error: unknown): void {
    this.failure ??= error;
    this.opening.clear();
  }
}

async function runRow(seed: number): Promise<Row> {
  const random = new SeededRandom(seed);
  const altered = random.below(3) ? -1 : random.below(30);
  const row = new Row(altered);
  const steps = 20 + random.below(60);
  const eagerness = random.below(4);
  for (let step = 0; step < steps; step++) {
    if (random.below(5) > eagerness) row.send(draw(random, seed % 10 ? 2000 : 64_000));
    else answerOne(random, row.place);
    if (random.below(6) === 0) await null;
  }
  // Either everything is answered, or nobody waits for that.
  if (random.below(3) === 0) {
    row.sealing.handOn(0);
    row.opening.handOn(0);
  }
  while (row.place.open.length > 0) {
    answerOne(random, row.place);
    if (random.below(2)) await settled();
  }
  await settled();
  while (row.place.open.length > 0) {
    answerOne(random, row.place);
    await settled();
  }
  const label = `seed ${seed}`;
  const isCut = altered >= 0 && altered < row.sent.length;
  expect((row.failure as { code?: string } | null)?.code ?? null, label).toBe(isCut ? "ERR_CRYPTO_TAG" : null);
  expect(digests(row.received), label).toEqual(digests(isCut ? row.sent.slice(0, altered) : row.sent));
  expect(row.place.reused, label).toEqual([]);
  expect(row.waiting, label).toBe(0);
  expect(row.most, label).toBeLessThanOrEqual(MAX_WAITING_BYTES);
  return row;
}

test("2,000 schedules of two pipelines: nothing is lost, swapped or handed on behind an altered record", {
  timeout: 60_000,
}, async () => {
  const total = { received: 0, cut: 0, begun: 0, most: 0 };
  for (let seed = 0; seed < 2000; seed++) {
    const row = await runRow(seed);
    total.received += row.received.length;
    total.begun += row.place.begun;
    total.cut += row.failure ? 1 : 0;
    total.most = Math.max(total.most, row.most);
  }
  expect(total.received).toBeGreaterThan(40_000);
  expect(total.begun).toBeGreaterThan(20_000);
  expect(total.cut).toBeGreaterThan(300);
  expect(total.most).toBeGreaterThan(MAX_WAITING_BYTES - 65_000);
});

const ENDINGS = ["Alice closes", "Bob closes", "the wire is cut", "everything is answered"] as const;

/** Two channels, and what was given to them. */
class Pair {
  readonly random: SeededRandom;
  readonly lab: LaterLab;
  readonly altered: number;
  readonly sent: { readonly a: Uint8Array[]; readonly b: Uint8Array[] } = { a: [], b: [] };
  a!: End;
  b!: End;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.lab = new LaterLab({ bytesPerMs: this.random.below(2) ? 100_000 : 3000, highWaterBytes: 64 * 1024 });
    this.altered = this.random.below(4) ? -1 : this.random.below(30);
  }

  async open(): Promise<void> {
    Object.assign(this, await this.lab.open(null, 30));
    const first = this.lab.wire.forth.length;
    this.lab.wire.tapForth((frame, i) => [i === first + this.altered ? flip(frame) : frame]);
  }

  answer(): void {
    answerOne(this.random, this.random.below(2) ? this.lab.atAlice : this.lab.atBob);
  }

  async step(): Promise<void> {
    const { random } = this;
    const kind = random.below(10);
    const who = random.below(3) ? "a" : "b";
    if (kind < 5 && this[who].channel.isOpen) {
      const bytes = draw(random, 40_000);
      this.sent[who].push(bytes.slice());
      this[who].channel.send(bytes);
      bytes.fill(0);
    } else if (kind < 8) this.answer();
    else if (kind === 8) await settled();
    else await this.lab.run(random.below(4));
  }

  async end(ending: (typeof ENDINGS)[number]): Promise<void> {
    if (ending === "Alice closes") this.a.channel.close();
    if (ending === "Bob closes") this.b.channel.close();
    if (ending === "the wire is cut") this.lab.wire.cut(this.random.below(3), this.random.below(3));
    const { wire, atAlice, atBob } = this.lab;
    while (ending === "everything is answered") {
      this.answer();
      await this.lab.run(this.random.below(3));
      const isQuiet = (): boolean => wire.waitingBytes + atAlice.open.length + atBob.open.length === 0;
      if (!isQuiet()) continue;
      await this.lab.run(5);
      if (isQuiet()) break;
    }
    await this.lab.run(1000);
  }
}

test("200 schedules of two channels: the same, up to the end that either side makes", { timeout: 60_000 }, async () => {
  const total = { records: 0, cut: 0 };
  for (let seed = 0; seed < 200; seed++) {
    const pair = new Pair(seed);
    await pair.open();
    for (let step = 0; step < 60; step++) await pair.step();
    const ending = ENDINGS[seed % 4] as (typeof ENDINGS)[number];
    await pair.end(ending);
    const { a, b, sent, lab } = pair;
    const label = `seed ${seed}: ${ending}`;
    expect(digests(b.records), label).toEqual(digests(sent.a.slice(0, b.records.length)));
    expect(digests(a.records), label).toEqual(digests(sent.b.slice(0, a.records.length)));
    const isCut = b.code === "ERR_CRYPTO_TAG";
    if (isCut) {
      total.cut++;
      expect(b.records.length, label).toBe(pair.altered);
    }
    const isWhole = (who: "a" | "b"): boolean => (who === "a" ? a : b).records.length === sent[who === "a" ? "b" : "a"].length;
    if (!isCut && (ending === "Alice closes" || ending === "everything is answered")) expect(isWhole("b"), label).toBe(true);
    if (!isCut && (ending === "Bob closes" || ending === "everything is answered")) expect(isWhole("a"), label).toBe(true);
    expect([...lab.atAlice.reused, ...lab.atBob.reused], label).toEqual([]);
    expect([a.closed.length, b.closed.length], label).toEqual(a.code === "open" ? [0, 0] : [1, 1]);
    total.records += a.records.length + b.records.length;
  }
  expect(total.records).toBeGreaterThan(3000);
  expect(total.cut).toBeGreaterThan(15);
});
