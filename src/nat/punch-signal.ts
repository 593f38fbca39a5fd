// What two sides that punch tell each other, inside their session. PROTOCOL.md, "Punching by UDP".

import { fromHex, toHex } from "../core/bytes.js";
import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import { MAX_CANDIDATES, readEndpoint, readEndpoints } from "./candidate.js";
import type { Endpoint } from "./datagram-port.js";
import { PROBE_KEY_BYTES, PROBE_TAG_BYTES } from "./probe.js";
import { type NatView, PORT_HABITS, type PortHabit } from "./punch-plan.js";

/** The first signal of each side. */
export interface PunchHello {
  readonly kind: "hello";
  /** By which the other side calls us in its probes. */
  readonly tag: Uint8Array;
  /** From the side that offers: the key of all probes. */
  readonly key: Uint8Array | null;
  /** The number of our end of the UDX stream. */
  readonly stream: number;
  /** Our own addresses. */
  readonly hosts: readonly Endpoint[];
}

/** What we found out about our NAT. */
export interface PunchNat extends NatView {
  readonly kind: "nat";
}

/** Our NAT is open: the other side may probe. */
export interface PunchReady {
  readonly kind: "ready";
  /** From where our probes will come, when it is not our mapped address. */
  readonly from: Endpoint | null;
}

export type PunchSignal = PunchHello | PunchNat | PunchReady;

/** As a value for JSON. */
export function encodePunchSignal(signal: PunchSignal): unknown {
  switch (signal.kind) {
    case "hello":
      return {
        tag: toHex(signal.tag),
        ...(signal.key ? { key: toHex(signal.key) } : {}),
        stream: signal.stream,
        hosts: signal.hosts.slice(0, MAX_CANDIDATES).map(text),
      };
    case "nat":
      return { nat: signal.habit, mapped: signal.mapped && text(signal.mapped), step: signal.step };
    case "ready":
      return { ready: signal.from ? text(signal.from) : true };
  }
}

/**
 * @param value - what came, parsed from JSON
 * @param mayContact - whether we are willing to send to an address, given as a URL; other addresses are left out
 * @returns `null` for a signal that a later version may have added
 * @throws NetworkError `ERR_FRAME_MALFORMED`
 */
export function decodePunchSignal(value: unknown, mayContact: (url: string) => boolean): PunchSignal | null {
  if (typeof value !== "object" || value === null) throw malformed("no object");
  const { tag, key, stream, hosts, nat, mapped, step, ready } = value as Record<string, unknown>;
  if (tag !== undefined) {
    if (!Number.isInteger(stream) || (stream as number) < 1 || (stream as number) > 0xffff_ffff) throw malformed("stream");
    return {
      kind: "hello",
      tag: bytes(tag, PROBE_TAG_BYTES),
      key: key === undefined ? null : bytes(key, PROBE_KEY_BYTES),
      stream: stream as number,
      hosts: readEndpoints(hosts, mayContact),
    };
  }
  if (nat !== undefined) {
    if (!PORT_HABITS.includes(nat as PortHabit)) throw malformed("nat");
    if (!Number.isInteger(step) || Math.abs(step as number) > MAX_STEP) throw malformed("step");
    return { kind: "nat", habit: nat as PortHabit, mapped: readEndpoint(mapped, mayContact), step: step as number };
  }
  if (ready !== undefined) return { kind: "ready", from: readEndpoint(ready, mayContact) };
  return null;
}

/** A NAT that leaps further from port to port is a random one. */
export const MAX_STEP = 64;

function text({ host, port }: Endpoint): string {
  return formatEndpoint(host, port);
}

function bytes(value: unknown, length: number): Uint8Array {
  if (typeof value !== "string" || value.length !== 2 * length || !/^[0-9a-f]*$/.test(value)) throw malformed("hex");
  return fromHex(value);
}

function malformed(what: string): NetworkError {
  return new NetworkError("ERR_FRAME_MALFORMED", `a signal of punching: ${what}`);
}
