// Signals of a WebRTC negotiation: what may come from the other side, checked field by field.

import { NetworkError } from "../core/errors.js";

/** An offer or answer, or one ICE candidate, in the shapes that the browser's own objects have as JSON. */
export type RtcSignal =
  | { readonly type: "offer" | "answer"; readonly sdp: string }
  | {
      readonly type: "candidate";
      readonly candidate: { readonly candidate: string; readonly sdpMid: string | null; readonly sdpMLineIndex: number | null };
    };

/** Longest session description, in characters; one with a data channel and 20 candidates has about 2 KiB. */
export const MAX_SDP_CHARACTERS = 32 * 1024;

/** Longest candidate line, in characters. */
export const MAX_CANDIDATE_CHARACTERS = 1024;

/** Most candidates that one side tells, within its description and after it. */
export const MAX_CANDIDATES = 64;

/** Printable ASCII: then a character is a byte, and no line is hidden. */
const LINE = /^[\x20-\x7e]*$/;
const LINES = /^[\x20-\x7e\t\r\n]*$/;

/**
 * Checks signals of one negotiation in the order of their coming: one description of the right type, and few enough candidates.
 * What it gives back is a fresh object that has nothing but the checked fields.
 */
export class SignalGate {
  readonly #expected: "offer" | "answer";
  #described = false;
  #candidates = 0;

  /** @param initiator - whether we are: then an answer may come, and otherwise an offer */
  constructor(initiator: boolean) {
    this.#expected = initiator ? "answer" : "offer";
  }

  /**
   * @returns the signal; `null` for one that says nothing, such as the end of candidates
   * @throws NetworkError `ERR_WEBRTC_FAILED` for whatever else it is
   */
  check(value: unknown): RtcSignal | null {
    const type = field(value, "type");
    if (type === "candidate") return this.#checkCandidate(field(value, "candidate"));
    if (type !== this.#expected) throw malformed("a signal of an unexpected type");
    if (this.#described) throw malformed(`a second ${this.#expected}`);
    this.#described = true;
    const sdp = field(value, "sdp");
    if (typeof sdp !== "string" || sdp.length > MAX_SDP_CHARACTERS || !LINES.test(sdp))
      throw malformed("a malformed session description");
    const media = sdp.match(/^m=.*/gm);
    // Anything beside the data channel would make us decode sound or pictures that nobody asked for.
    if (media?.length !== 1 || !media[0].startsWith("m=application ")) throw malformed("a session description with other media");
    this.#count(sdp.match(/^a=candidate:/gm)?.length ?? 0);
    return { type: this.#expected, sdp };
  }

  #checkCandidate(value: unknown): RtcSignal | null {
    const candidate = field(value, "candidate");
    const sdpMid = field(value, "sdpMid") ?? null;
    const sdpMLineIndex = field(value, "sdpMLineIndex") ?? null;
    if (typeof candidate !== "string" || candidate.length > MAX_CANDIDATE_CHARACTERS || !LINE.test(candidate)) {
      throw malformed("a malformed candidate");
    }
    if (sdpMid !== null && (typeof sdpMid !== "string" || sdpMid.length > 16 || !LINE.test(sdpMid)))
      throw malformed("a malformed sdpMid");
    if (
      sdpMLineIndex !== null &&
      (typeof sdpMLineIndex !== "number" || !Number.isInteger(sdpMLineIndex) || sdpMLineIndex !== 0)
    ) {
      throw malformed("a malformed sdpMLineIndex");
    }
    if (sdpMid === null && sdpMLineIndex === null) throw malformed("a candidate of no section");
    this.#count(1);
    if (candidate === "") return null;
    return { type: "candidate", candidate: { candidate, sdpMid, sdpMLineIndex } };
  }

  #count(candidates: number): void {
    this.#candidates += candidates;
    if (this.#candidates > MAX_CANDIDATES) throw malformed(`more than ${MAX_CANDIDATES} candidates`);
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function malformed(detail: string): NetworkError {
  return new NetworkError("ERR_WEBRTC_FAILED", `the other side sent ${detail}`);
}
