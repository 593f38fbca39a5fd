// TCP as the rules of punching see it: one local port that dials and listens, and connections that first have to say who they are.

import { concatBytes } from "../core/bytes.js";
import type { Endpoint } from "./datagram-port.js";

/** A TCP connection of which it is not known yet whom it leads to. */
export interface PunchStream {
  readonly remote: Endpoint;
  write(bytes: Uint8Array): void;
  /** Starts to read; called once. `data` gets bytes that stay as they are; `ended` comes once, whatever ended it, unless we did. */
  read(data: (bytes: Uint8Array) => void, ended: () => void): void;
  /** Stops reading, and forgets the callbacks. `rest` is what whoever takes the connection reads first. */
  release(rest: Uint8Array): void;
  destroy(): void;
}

/** Why a dial failed: `in-use` is our own port, the others are the way or the other side. */
export type DialFailure = "refused" | "unreachable" | "in-use" | "failed";

/** A local TCP port: all that is dialled is dialled from it. Callbacks never come during the call. */
export interface PunchPort<S extends PunchStream> {
  /** @returns how to give it up; `done` is not called after that */
  connect(to: Endpoint, done: (outcome: S | DialFailure) => void): () => void;
  /** Accepts on the port. Nothing can be dialled meanwhile; what is being dialled goes on. @returns how to stop */
  listen(accepted: (stream: S) => void, failed: () => void): () => void;
}

/** Bytes of the token that a side greets with. */
export const PUNCH_TOKEN_BYTES = 16;
/**
 * What comes before a token. A port that expects something else than us refuses it at the first byte: it is no TLS, no upper-case
 * letter of an HTTP method, no length of a first frame.
 */
const GREETING_MAGIC = Uint8Array.of(0x6c, 0x6e, 0x70, 0x01); // "lnp" and a version
/** Bytes of a greeting. */
export const GREETING_BYTES = 20;

/** What a side begins a punched connection with. @param token - {@link PUNCH_TOKEN_BYTES} bytes */
export function encodeGreeting(token: Uint8Array): Uint8Array {
  return concatBytes(GREETING_MAGIC, token);
}
