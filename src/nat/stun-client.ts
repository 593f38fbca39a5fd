// Asks a STUN server over UDP for our public endpoint: requests by the timer of RFC 8489, and only the answer that was asked for.

import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import type { Clock, Millis, Random, Timer } from "../core/runtime.js";
import type { DatagramPort, Endpoint } from "./datagram-port.js";
import { canonicalEndpoint, canonicalHost, sameEndpoint } from "./endpoint.js";
import { STUN_TRANSACTION_ID_BYTES, type StunChange } from "./stun-message.js";
import { type BindingAnswer, encodeBindingRequest, readBindingAnswer } from "./stun-transaction.js";

/** Until the first retransmission, in ms; each further one waits twice as long (RTO of RFC 8489 §6.2.1, which says 500). */
export const STUN_RTO_MS = 100;
/** Requests in all (Rc of RFC 8489 §6.2.1, which says 7): at 0, 100, 300, 700 and 1,500 ms. */
export const STUN_REQUESTS = 5;
/** After the last request, in multiples of the RTO (Rm of RFC 8489 §6.2.1, which says 16): so an answer has 3 s in all. */
export const STUN_LAST_WAIT = 15;

/** What {@link stunBinding} takes. */
export interface StunBindingOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Gives up when it aborts; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Until the first retransmission, in ms. Default {@link STUN_RTO_MS}. */
  readonly rtoMs?: Millis;
  /** Requests in all. Default {@link STUN_REQUESTS}. */
  readonly requests?: number;
  /** After the last request, in multiples of `rtoMs`. Default {@link STUN_LAST_WAIT}. */
  readonly lastWait?: number;
  /** Asks to be answered from elsewhere (RFC 5780): what changes, and the server's OTHER-ADDRESS. Default: from where it was asked. */
  readonly change?: StunChange & { readonly otherAddress: Endpoint };
}

/** What a server told us. Hints, all of it: a server or a NAT may say anything. */
export interface StunBinding {
  /** Our own endpoint, as the server saw it. */
  readonly mapped: Endpoint;
  /** The server that was asked. */
  readonly server: Endpoint;
  /** Where else the server answers (OTHER-ADDRESS, RFC 5780 §7.4); `null` when it named none that may be asked. */
  readonly otherAddress: Endpoint | null;
  /** From where the server says that it answered (RESPONSE-ORIGIN, RFC 5780 §7.3). */
  readonly responseOrigin: Endpoint | null;
  /** From the first request to the answer, in ms: too long when a request was lost, never too short. */
  readonly rttMs: Millis;
}

/**
 * One Binding transaction. The port may carry other things at the same time.
 * @param server - a numeric address and a port
 * @throws NetworkError `ERR_STUN_TIMEOUT` after 3 s; `ERR_STUN_REFUSED` for an error response, or a success response that
 * must not be understood in part; `ERR_ADDRESS_INVALID`, `ERR_PORT_INVALID` for a server that cannot be one
 * @see RFC 8489 §6.2.1, §6.3.3, §6.3.4
 */
export async function stunBinding(port: DatagramPort, server: Endpoint, options: StunBindingOptions): Promise<StunBinding> {
  const { signal, change } = options;
  signal?.throwIfAborted();
  const transaction = new Transaction(port, canonicalEndpoint(server), options);
  const onAbort = (): void => transaction.fail(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await transaction.run(change);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    transaction.end();
  }
}

class Transaction {
  readonly #port: DatagramPort;
  readonly #server: Endpoint;
  /** Where a success must come from. */
  readonly #expected: Endpoint;
  readonly #options: StunBindingOptions;
  readonly #id: Uint8Array;
  readonly #startedAt: Millis;
  #timer: Timer | null = null;
  #unsubscribe: () => void = () => {};
  #resolve: (binding: StunBinding) => void = () => {};
  #reject: (reason: unknown) => void = () => {};

  constructor(port: DatagramPort, server: Endpoint, options: StunBindingOptions) {
    const { change } = options;
    this.#port = port;
    this.#server = server;
    this.#options = options;
    this.#id = options.random.bytes(STUN_TRANSACTION_ID_BYTES);
    this.#startedAt = options.clock.now();
    this.#expected = change
      ? { host: (change.address ? change.otherAddress : server).host, port: (change.port ? change.otherAddress : server).port }
      : server;
  }

  run(change: StunChange | undefined): Promise<StunBinding> {
    const request = encodeBindingRequest(this.#id, change);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#unsubscribe = this.#port.subscribe((datagram, from) => this.#received(datagram, from));
      this.#send(request, 1, this.#options.rtoMs ?? STUN_RTO_MS);
    });
  }

  fail(reason: unknown): void {
    this.#reject(reason);
  }

  end(): void {
    this.#timer?.cancel();
    this.#unsubscribe();
  }

  #send(request: Uint8Array, count: number, waitMs: Millis): void {
    const { clock, rtoMs = STUN_RTO_MS, requests = STUN_REQUESTS, lastWait = STUN_LAST_WAIT } = this.#options;
    this.#port.send(request, this.#server);
    this.#timer =
      count < requests
        ? clock.after(waitMs, () => this.#send(request, count + 1, 2 * waitMs))
        : clock.after(lastWait * rtoMs, () => this.fail(this.#late()));
  }

  #received(datagram: Uint8Array, { host, port }: Endpoint): void {
    const from = { host: canonicalHost(host) ?? host, port };
    const isExpected = sameEndpoint(from, this.#expected);
    if (!isExpected && !sameEndpoint(from, this.#server)) return;
    const answer = readBindingAnswer(datagram, this.#id, this.#server);
    if (answer) this.#answered(answer, isExpected);
  }

  #answered(answer: BindingAnswer, isExpected: boolean): void {
    if (answer.kind === "failed") this.fail(answer.error);
    // A server that answers from where it was asked knows no change: waiting would not make it learn.
    else if (!isExpected) this.fail(new NetworkError("ERR_STUN_REFUSED", "it did not answer from its other address"));
    else {
      const { mapped, otherAddress, responseOrigin } = answer;
      const rttMs = this.#options.clock.now() - this.#startedAt;
      this.#resolve({ mapped, server: this.#server, otherAddress, responseOrigin, rttMs });
    }
  }

  #late(): NetworkError {
    return new NetworkError("ERR_STUN_TIMEOUT", formatEndpoint(this.#server.host, this.#server.port));
  }
}
