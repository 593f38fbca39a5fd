// What two sessions tell each other about paths, inside the encrypted session. PROTOCOL.md, "Control messages".

import { NetworkError } from "../errors.js";
import { decodeCbor, encodeCbor } from "../message/cbor.js";

/** Most addresses that one side may name; more are ignored. */
export const MAX_ADDRESSES = 16;
const MAX_ADDRESS_LENGTH = 255;
const MAX_NAMES = 16;

/** Where we can be dialled and what we can dial ourselves. */
export interface PathsMessage {
  readonly kind: "paths";
  /** URLs that this side listens at. */
  readonly addresses: readonly string[];
  /** URL schemes that this side can dial. */
  readonly schemes: readonly string[];
  /** Kinds of link that this side can negotiate, such as `webrtc`. */
  readonly negotiable: readonly string[];
}

/** One signal of a negotiation about a link. */
export interface SignalMessage {
  readonly kind: "signal";
  /** Which kind of link is negotiated. */
  readonly link: string;
  /** Which attempt it belongs to: a number that the offering side counts up. */
  readonly attempt: number;
  /** For the transport: JSON text. */
  readonly signal: string;
}

export type PathMessage = PathsMessage | SignalMessage;

export function encodePathMessage(message: PathMessage): Uint8Array {
  return encodeCbor(
    message.kind === "paths"
      ? { t: "paths", a: message.addresses, d: message.schemes, n: message.negotiable }
      : { t: "signal", l: message.link, i: message.attempt, s: message.signal },
  );
}

/**
 * @returns the message; `null` for a kind that a later version may have added
 * @throws NetworkError `ERR_MESSAGE_MALFORMED`
 */
export function decodePathMessage(bytes: Uint8Array): PathMessage | null {
  const value = decodeCbor(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed();
  const { t, a, d, n, l, i, s } = value as Record<string, unknown>;
  if (t === "paths") {
    const addresses = texts(a).filter((address) => address.length <= MAX_ADDRESS_LENGTH);
    return { kind: "paths", addresses: addresses.slice(0, MAX_ADDRESSES), schemes: names(d), negotiable: names(n) };
  }
  if (t === "signal") {
    if (typeof l !== "string" || typeof s !== "string" || !Number.isSafeInteger(i)) throw malformed();
    return { kind: "signal", link: l, attempt: i as number, signal: s };
  }
  if (typeof t !== "string") throw malformed();
  return null;
}

function texts(value: unknown): string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) throw malformed();
  return value;
}

function names(value: unknown): string[] {
  return texts(value).slice(0, MAX_NAMES);
}

function malformed(): NetworkError {
  return new NetworkError("ERR_MESSAGE_MALFORMED", "control message");
}
