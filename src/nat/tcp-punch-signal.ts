// What two sides say to each other before they punch by TCP: JSON values, checked field by field.

import { NetworkError } from "../core/errors.js";
import { PORT_HABITS, type PortHabit } from "./punch-plan.js";

/** A signal of kind `tcp`. */
export type TcpPunchSignal =
  /** The initiator begins. */
  | { readonly type: "ping" }
  /** Answer to `ping`, at once: the initiator measures the way. */
  | { readonly type: "pong" }
  /** Where the sender will be seen from, how its NAT behaves, and what it greets with on each connection. */
  | {
      readonly type: "here";
      /** 16 random bytes, in lower-case hexadecimal. */
      readonly token: string;
      /** For TCP, which a NAT may treat in another way than UDP. */
      readonly ports: PortHabit;
      readonly addresses: readonly string[];
    }
  /** Of a side with sequential ports, last: the address of its next connection. */
  | { readonly type: "aim"; readonly address: string }
  /** Of the initiator: begin now. `rttMs` is what it measured. */
  | { readonly type: "go"; readonly rttMs: number }
  /** The sender does not try, or not any longer. */
  | { readonly type: "stop" };

/** Addresses of the other side that are looked at. */
export const MAX_PUNCH_ADDRESSES = 4;
/** Longest of them, in characters: `tcp://`, an IPv6 address in brackets, a port. */
const MAX_PUNCH_ADDRESS_LENGTH = 64;
/** Largest round trip that the other side may tell, in ms; a larger one counts as this. */
export const MAX_PUNCH_RTT_MS = 2_000;
/** Signals of the other side in one attempt; it has no use for more than six. */
export const MAX_PUNCH_SIGNALS = 16;

const TOKEN = /^[0-9a-f]{32}$/;

/**
 * Checks a signal. Members that are not known are dropped; of too many addresses, the first ones count.
 * @returns `null` for a type that is not known, which says nothing
 * @throws NetworkError `ERR_FRAME_MALFORMED`
 */
export function decodeTcpPunchSignal(value: unknown): TcpPunchSignal | null {
  const type = field(value, "type");
  switch (type) {
    case "ping":
    case "pong":
    case "stop":
      return { type };
    case "here": {
      const token = field(value, "token");
      const ports = field(value, "ports");
      if (typeof token !== "string" || !TOKEN.test(token)) throw malformed("token");
      if (!PORT_HABITS.includes(ports as PortHabit)) throw malformed("ports");
      return { type, token, ports: ports as PortHabit, addresses: addresses(value) };
    }
    case "aim":
      return { type, address: address(field(value, "address")) };
    case "go": {
      const rttMs = field(value, "rttMs");
      if (typeof rttMs !== "number" || !(rttMs >= 0)) throw malformed("rttMs");
      return { type, rttMs: Math.min(rttMs, MAX_PUNCH_RTT_MS) };
    }
    default:
      if (typeof type !== "string") throw malformed("type");
      return null;
  }
}

function addresses(value: unknown): readonly string[] {
  const list = field(value, "addresses");
  if (!Array.isArray(list)) throw malformed("addresses");
  return list.slice(0, MAX_PUNCH_ADDRESSES).map(address);
}

function address(value: unknown): string {
  if (typeof value !== "string" || value.length > MAX_PUNCH_ADDRESS_LENGTH) throw malformed("an address");
  return value;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function malformed(what: string): NetworkError {
  return new NetworkError("ERR_FRAME_MALFORMED", `a signal of kind tcp: ${what}`);
}
