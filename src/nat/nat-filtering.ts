// Who may send to a mapped endpoint: a server with a second address is asked to answer from there (RFC 5780 §4.4).

import { NetworkError } from "../core/errors.js";
import type { Clock, Millis, Random } from "../core/runtime.js";
import type { DatagramPort } from "./datagram-port.js";
import type { FilteringBehaviour } from "./nat-behaviour.js";
import { STUN_RTO_MS, type StunBinding, type StunBindingOptions, stunBinding } from "./stun-client.js";

// Silence is an answer here and has to be waited out, so the waiting is shorter than for a server that must be reached:
// requests after 0, 1 and 3 RTO, the end after 8. Three losses in a row are mistaken for a filter.
const TEST_REQUESTS = 3;
const TEST_LAST_WAIT = 5;

export interface FilteringOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Whether the port has not asked the server yet. */
  readonly isNew: boolean;
}

/**
 * Tests the filtering. Both tests run at once: what comes in opens no NAT.
 * @param port - must not have sent to the server's second address, nor to its other port
 * @param asked - what the server answered; with a second address
 * @returns `unknown` when the server does not do what it offers, or is gone
 * @see RFC 5780 §4.4
 */
export async function discoverFiltering(
  port: DatagramPort,
  asked: StunBinding,
  { clock, random, signal, isNew }: FilteringOptions,
): Promise<FilteringBehaviour> {
  const { server, otherAddress, rttMs } = asked;
  if (!otherAddress) return "unknown";
  const rtoMs: Millis = Math.max(STUN_RTO_MS, rttMs);
  const test = async (options: Partial<StunBindingOptions>): Promise<"answered" | "silent" | "refused"> => {
    try {
      await stunBinding(port, server, { clock, random, signal, rtoMs, ...options });
      return "answered";
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      return error.code === "ERR_STUN_TIMEOUT" ? "silent" : "refused";
    }
  };
  if (isNew && (await test({})) !== "answered") return "unknown";
  const brief = { requests: TEST_REQUESTS, lastWait: TEST_LAST_WAIT };
  const fromOtherAddress = test({ ...brief, change: { address: true, port: true, otherAddress } });
  const fromOtherPort = test({ ...brief, change: { address: false, port: true, otherAddress } });
  // Nobody waits for it once the first test has been answered, and then it may fail unseen.
  fromOtherPort.catch(() => undefined);
  const first = await fromOtherAddress;
  if (first === "answered") return "endpoint-independent";
  const second = await fromOtherPort;
  if (first === "refused" || second === "refused") return "unknown";
  return second === "answered" ? "address-dependent" : "address-and-port-dependent";
}
