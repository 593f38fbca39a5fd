// Two sides that punch in the simulated internet: real rules, real STUN, signals that take their time.

import { NetworkError } from "../../src/core/errors.js";
import { isDialable } from "../../src/core/path/dialable.js";
import type { Millis } from "../../src/core/runtime.js";
import { BirthdayGate } from "../../src/nat/birthday-gate.js";
import type { Endpoint } from "../../src/nat/datagram-port.js";
import { type Punched, type Punching, type PunchTools, punch } from "../../src/nat/punch.js";
import { NatMemory } from "../../src/node/nat-memory.js";

import { nodeProvider } from "../crypto/providers.js";
import { run } from "../sim/flush.js";
import { type SimHost, SimInternet, type SimPort } from "../sim/internet.js";
import type { NatKind, SimNat } from "../sim/nat-model.js";
import { SeededRandom } from "../sim/seeded-random.js";
import { stunServer } from "./stun-sim.js";

/** Signals go through the relay: this is there and back of half of the way each. */
const SIGNAL_MS: Millis = 40;
/** Whoever negotiates ends it after so long. */
const DEADLINE_MS: Millis = 15_000;

/** Begins as no probe does. */
const PAYLOAD = Uint8Array.of(255, 1, 2, 3);

export interface AttemptOptions {
  /** How long a signal takes. Default: 40 ms. */
  readonly signalMs?: Millis;
  /** Changes a signal of one side on its way; `undefined` loses it. */
  readonly tamper?: (from: PunchSide, signal: unknown) => unknown;
  readonly mayContact?: (url: string) => boolean;
  /** Whether both signals have been aborted before, with the reason "before". */
  readonly aborted?: boolean;
}

/** One machine that punches. */
export class PunchSide {
  readonly host: SimHost;
  /** The socket of all its attempts. */
  readonly port: SimPort;
  readonly notes: string[] = [];
  /** How often it got the one place for a birthday, and whether it has it. */
  birthdays = 0;
  birthdayTaken = false;
  /** Tests may change what it is given. */
  readonly tools: { -readonly [Key in keyof PunchTools]: PunchTools[Key] };

  constructor(scene: PunchScene, host: SimHost, seed: number) {
    this.host = host;
    this.port = host.open();
    const { clock } = scene.internet;
    const gate = new BirthdayGate(clock);
    const random = new SeededRandom(seed);
    const memory = new NatMemory({ clock, random, localAddresses: () => host.addresses });
    const sha256 = nodeProvider.hash("SHA256");
    this.tools = {
      clock,
      random,
      hmac: (key, data) => sha256.hmac(key, data),
      port: this.port,
      hosts: host.addresses.map((address) => ({ host: address, port: this.port.port })),
      openPort: async () => host.open(),
      natView: (servers, signal) => memory.view(this.port, servers, signal),
      mappedOf: (port, servers, signal) => memory.mappedOf(port, servers, signal),
      enterBirthday: () => {
        const leave = gate.enter();
        if (!leave) return null;
        this.birthdays++;
        this.birthdayTaken = true;
        return (answered) => {
          this.birthdayTaken = false;
          leave(answered);
        };
      },
    };
  }
}

/** What one side made of an attempt. */
export interface Outcome {
  readonly punched: Punched | null;
  readonly error: unknown;
  readonly tookMs: Millis;
}

/** An internet with STUN servers, 20 ms wide. */
export class PunchScene {
  readonly internet: SimInternet;
  readonly stunServers: readonly string[];
  #sides = 0;
  readonly #seed: number;

  constructor(options: ConstructorParameters<typeof SimInternet>[0] = {}, servers = 3) {
    this.#seed = options.seed ?? 1;
    this.internet = new SimInternet(options);
    const endpoints: Endpoint[] = Array.from({ length: servers }, () => stunServer(this.internet));
    this.stunServers = endpoints.map(({ host, port }) => `stun:${host}:${port}`);
  }

  side(behind: NatKind | SimNat): PunchSide {
    return new PunchSide(this, this.internet.host(behind), this.#seed * 31 + ++this.#sides);
  }

  /** Begins an attempt at both sides. @returns what each makes of it, and how to end it */
  begin(offering: PunchSide, answering: PunchSide, options: AttemptOptions = {}) {
    const abort = [new AbortController(), new AbortController()] as const;
    if (options.aborted) for (const controller of abort) controller.abort("before");
    const startedAt = this.internet.clock.now();
    const punchings: Punching[] = [];
    const start = (side: PunchSide, index: 0 | 1): Promise<Outcome> => {
      const punching = punch(
        {
          initiator: index === 0,
          signal: abort[index].signal,
          sendSignal: (signal) => {
            const sent = options.tamper ? options.tamper(side, signal) : signal;
            if (sent === undefined) return;
            const text = JSON.stringify(sent);
            this.internet.clock.after(options.signalMs ?? SIGNAL_MS, () => {
              punchings[1 - index]?.receiveSignal(JSON.parse(text));
            });
          },
          stunServers: this.stunServers,
          mayContact: options.mayContact ?? ((url) => isDialable(url, { allowLoopback: false })),
          note: (step) => side.notes.push(step),
        },
        side.tools,
      );
      punchings[index] = punching;
      const deadline = this.internet.clock.after(DEADLINE_MS, () => abort[index].abort("deadline"));
      punching.result.catch(() => undefined).finally(() => deadline.cancel());
      const tookMs = (): Millis => this.internet.clock.now() - startedAt;
      return punching.result.then(
        (punched) => ({ punched, error: null, tookMs: tookMs() }),
        (error: unknown) => ({ punched: null, error, tookMs: tookMs() }),
      );
    };
    const both = Promise.all([start(offering, 0), start(answering, 1)]);
    return { both, abort, punchings };
  }

  /** One attempt from begin to end. @throws Error when a side never ends */
  async attempt(offering: PunchSide, answering: PunchSide, options: AttemptOptions = {}): Promise<readonly [Outcome, Outcome]> {
    return this.finish(this.begin(offering, answering, options).both);
  }

  /** Lets time pass until a promise is settled. @throws Error when it never is */
  async finish<T>(promise: Promise<T>): Promise<T> {
    const { clock } = this.internet;
    let settled = false;
    promise.then(
      () => (settled = true),
      () => (settled = true),
    );
    const end = clock.now() + 2 * DEADLINE_MS;
    while (!settled && clock.now() < end) await run(clock, 10);
    if (!settled) throw new Error(`not settled at ${clock.now()} ms`);
    return promise;
  }

  /** Whether datagrams pass between two agreed ends, both ways, with the source that each expects. */
  async carries(a: Punched, b: Punched): Promise<boolean> {
    Object.assign(this.internet.conditions, { loss: 0, duplicate: 0 });
    const heard: boolean[] = [];
    const leave = [a, b].map(({ port, remote }) =>
      port.subscribe((datagram, from) => {
        // Late probes come as well.
        if (datagram[0] === PAYLOAD[0]) heard.push(from.host === remote.host && from.port === remote.port);
      }),
    );
    for (const { port, remote } of [a, b]) port.send(PAYLOAD, remote);
    await run(this.internet.clock, 200);
    for (const stop of leave) stop();
    return heard.length === 2 && heard.every(Boolean);
  }
}

/** The code of an outcome that failed; "direct" for one that did not. */
export function codeOf({ punched, error }: Outcome): string {
  if (punched) return "direct";
  return error instanceof NetworkError ? error.code : String(error);
}
