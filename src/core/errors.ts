// One error class and one table of codes. Everything that the SDK refuses, loses or gives up says so with a code from here.

/** What a code means in general; an error's message adds what happened this time. */
interface CodeEntry {
  /** Whether the same call may succeed later without being changed. */
  readonly retryable: boolean;
  readonly text: string;
}

/** Every code that a {@link NetworkError} can carry. Codes are stable: they are never renamed, only added. */
export const ERROR_CODES = {
  ERR_OPTION_INVALID: { retryable: false, text: "an option is not of the form that it must have" },
  ERR_STATE_NOT_STARTED: { retryable: false, text: "the network manager is not started: call start() first" },
  ERR_STATE_ALREADY_STARTED: {
    retryable: false,
    text: "the network manager is started already: call stop() before another start()",
  },
  ERR_CALLBACK_THREW: { retryable: false, text: "a callback of the application threw" },

  ERR_ADDRESS_INVALID: { retryable: false, text: "this is not an address, a PeerId or a ticket" },
  ERR_ADDRESS_UNSUPPORTED: { retryable: false, text: "no transport here can dial this kind of address" },
  ERR_PORT_INVALID: { retryable: false, text: "a port is a whole number from 0 to 65535 (from 1 to dial)" },
  ERR_PEER_ID_INVALID: { retryable: false, text: "a PeerId is 52 characters of lower-case base32" },
  ERR_TICKET_INVALID: { retryable: false, text: "this ticket is damaged or was not copied whole" },
  ERR_LISTEN_FAILED: { retryable: false, text: "the port could not be opened" },
  ERR_LISTEN_IN_USE: { retryable: false, text: "another program uses this port: choose another, or 0 for any" },

  ERR_DIAL_REFUSED: { retryable: true, text: "nothing listens at this address" },
  ERR_DIAL_NAME: { retryable: true, text: "the host name does not resolve" },
  ERR_DIAL_UNREACHABLE: { retryable: true, text: "there is no route to this address" },
  ERR_DIAL_TIMEOUT: { retryable: true, text: "the address did not answer in time" },
  ERR_DIAL_FAILED: { retryable: true, text: "the connection could not be made" },
  ERR_DIAL_FORBIDDEN: {
    retryable: false,
    text: "the browser forbids this address: a page from https:// may open only wss://, or ws:// to this machine",
  },
  ERR_DIAL_SELF: { retryable: false, text: "this address leads back to ourselves" },

  ERR_RELAY_UNAVAILABLE: { retryable: true, text: "no relay is connected" },
  ERR_RELAY_REFUSED: { retryable: false, text: "the relay refused us" },
  ERR_RELAY_PROTOCOL: { retryable: false, text: "the relay speaks another protocol" },
  ERR_RELAY_ORIGIN: { retryable: false, text: "the relay does not know itself by this address: set publicUrls there" },
  ERR_RELAY_REPLACED: { retryable: false, text: "the same identity logged in elsewhere and took our place at the relay" },
  ERR_RELAY_LIMIT: { retryable: true, text: "a limit of the relay was crossed" },
  ERR_PEER_UNREACHABLE: { retryable: true, text: "the peer is not at the relay" },
  ERR_PEER_UNKNOWN: { retryable: false, text: "there is no session with this peer: call connectToPeer first" },
  ERR_ROOM_INVALID: { retryable: false, text: "a room name is 1 to 128 bytes of text" },
  ERR_ROOM_LIMIT: { retryable: true, text: "the room is full, or too many rooms are joined" },

  ERR_HANDSHAKE_AUTH: { retryable: false, text: "the peer did not prove the expected key" },
  ERR_HANDSHAKE_FAILED: { retryable: true, text: "the handshake failed" },
  ERR_HANDSHAKE_TIMEOUT: { retryable: true, text: "the handshake was not finished in time" },
  ERR_HANDSHAKE_VERSION: { retryable: false, text: "the peer speaks another version of the protocol" },
  ERR_CRYPTO_TAG: { retryable: false, text: "a ciphertext was altered or is out of place" },
  ERR_CRYPTO_KEY: { retryable: false, text: "a key is not valid" },
  ERR_CRYPTO_NONCE: { retryable: true, text: "the key is used up: a new handshake is needed" },

  ERR_FRAME_MALFORMED: { retryable: false, text: "bytes from outside do not follow the protocol" },
  ERR_FRAME_TOO_LARGE: { retryable: false, text: "a frame is larger than the protocol allows" },
  ERR_FRAME_SEQUENCE: { retryable: false, text: "a sequence number or acknowledgement is impossible" },
  ERR_MESSAGE_INVALID: { retryable: false, text: "this message cannot be encoded" },
  ERR_MESSAGE_TOO_LARGE: { retryable: false, text: "this message is larger than the limit" },
  ERR_MESSAGE_EXPIRED: { retryable: true, text: "this message could not be sent while it was fresh" },
  ERR_MESSAGE_REPLACED: { retryable: false, text: "a newer message with the same key took the place of this one" },
  ERR_MESSAGE_MALFORMED: { retryable: false, text: "the peer sent a message that is not well-formed" },

  ERR_STREAM_ABORTED: { retryable: true, text: "the other side gave the stream up" },
  ERR_STREAM_CANCELLED: { retryable: true, text: "the other side wants no more of the stream" },
  ERR_STREAM_REFUSED: { retryable: true, text: "the other side does not take this stream" },

  ERR_REQUEST_FAILED: { retryable: false, text: "the other side answered the request with an error: see remoteCode" },
  ERR_REQUEST_UNHANDLED: { retryable: false, text: "the other side has no handler for this type of request" },
  ERR_REQUEST_TIMEOUT: { retryable: true, text: "the request was not answered in time" },
  ERR_REQUEST_CANCELLED: { retryable: false, text: "the other side does not wait for this reply any longer" },

  ERR_LIMIT_CONNECTIONS: { retryable: true, text: "the limit of connections is reached" },
  ERR_LIMIT_QUEUE: { retryable: true, text: "the send queue of this peer is full: wait for drain" },
  ERR_SESSION_LOST: { retryable: true, text: "the other side lost the session; this message may not have arrived" },
  ERR_CLOSED: { retryable: false, text: "closed" },
  ERR_CLOSED_BY_PEER: { retryable: true, text: "the other side ended the session" },
  ERR_CLOSED_TIMEOUT: { retryable: true, text: "the connection fell silent" },
  ERR_CLOSED_ABORTED: { retryable: true, text: "the connection was cut without a farewell" },

  ERR_WEBRTC_UNAVAILABLE: { retryable: false, text: "there is no WebRTC here" },
  ERR_WEBRTC_FAILED: { retryable: true, text: "the WebRTC connection could not be made" },
  ERR_PUNCH_FAILED: { retryable: true, text: "no direct path was found" },
  ERR_PUNCH_HOPELESS: { retryable: false, text: "the NATs allow no direct path: the relay carries on" },
  ERR_UDP_UNAVAILABLE: { retryable: false, text: "there is no UDP here: install udx-native" },
  ERR_STUN_MALFORMED: { retryable: false, text: "this is not a STUN message" },
  ERR_STUN_REFUSED: { retryable: false, text: "the STUN server refused the request" },
  ERR_STUN_TIMEOUT: { retryable: true, text: "the STUN server did not answer in time" },
} as const satisfies Record<string, CodeEntry>;

/** The name of one kind of failure; see {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What else an error can carry. */
export interface NetworkErrorDetails {
  /** The error that led to this one, as the runtime or a library gave it. */
  readonly cause?: unknown;
  /** The peer that it is about, when it is about one. */
  readonly peerId?: string;
  /** What the other side answered a request with. */
  readonly remoteCode?: string;
}

/**
 * The one error class of the SDK.
 *
 * `message` is a sentence: the text of the code, then what happened this time. It never holds a key or the content of a message.
 */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without being changed. */
  readonly retryable: boolean;
  readonly peerId: string | undefined;
  /**
   * With `ERR_REQUEST_…`: the code that the other side answered, 1 to 64 characters of A-Z, 0-9 and the underscore. Its handler chose
   * it with a `RequestError`; the SDK itself says `INTERNAL` (the handler threw something else), `BUSY` (too many requests at once;
   * try again later) and `UNHANDLED`.
   */
  readonly remoteCode: string | undefined;

  constructor(code: ErrorCode, detail?: string, details: NetworkErrorDetails = {}) {
    const entry = ERROR_CODES[code];
    super(detail ? `${entry.text} (${detail})` : entry.text, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = entry.retryable;
    this.peerId = details.peerId;
    this.remoteCode = details.remoteCode;
  }
}

/** Gives a `NetworkError` back as it is, and wraps anything else as `code`. */
export function toNetworkError(error: unknown, code: ErrorCode, details: NetworkErrorDetails = {}): NetworkError {
  if (error instanceof NetworkError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new NetworkError(code, text, { cause: error, ...details });
}
