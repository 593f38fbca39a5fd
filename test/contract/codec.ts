// Values on their way between a test and a peer that may live in a page: JSON that keeps bytes, numbers and errors as they are.

/** Text of a value and back. Made by a function without imports, as its source text is also run inside pages. */
export interface Codec {
  encode(value: unknown): string;
  decode(text: string): unknown;
  /** Bytes that differ everywhere and begin with their seed, so that they can be told in two numbers. */
  pattern(length: number, seed: number): Uint8Array;
}

/** Stands for a large payload: made where it is sent, compared byte for byte where it arrived. */
export interface PatternTag {
  readonly $pattern: readonly [length: number, seed: number];
}

/** A payload of `length` bytes, at least 8, that is made in the peer itself. */
export function patternOf(length: number, seed: number): PatternTag {
  return { $pattern: [length, seed] };
}

/** Stand for what JSON has no form for, and what no message can carry. */
export const TAGS = {
  undefined: { $undefined: true },
  function: { $function: true },
  cyclic: { $cyclic: true },
  bigint: { $bigint: "12345678901234567890" },
  bytes: (...bytes: number[]) => ({ $bytes: bytes }),
  number: (value: number) => ({ $number: Object.is(value, -0) ? "-0" : String(value) }),
  /** The signal of this name, see `ContractPeer.abort`. */
  signal: (name: string) => ({ $signal: name }),
} as const;

/** @param signalOf - finds an `AbortSignal` by its name */
export function makeCodec(signalOf: (name: string) => AbortSignal): Codec {
  const LARGE_BYTES = 4096;

  const pattern = (length: number, seed: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setUint32(0, seed);
    let state = seed | 1;
    for (let i = 4; i < length; i++) {
      // xorshift32 (Marsaglia 2003)
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      bytes[i] = state & 255;
    }
    return bytes;
  };

  const bytesToJson = (bytes: Uint8Array): unknown => {
    if (bytes.length < LARGE_BYTES) return { $bytes: Array.from(bytes) };
    const seed = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    const expected = pattern(bytes.length, seed);
    const different = bytes.findIndex((byte, i) => byte !== expected[i]);
    return different < 0 ? { $pattern: [bytes.length, seed] } : { $bytes: `${bytes.length} bytes, wrong at ${different}` };
  };

  const errorToJson = (error: Error): unknown => {
    const { code, remoteCode, retryable, peerId } = error as Error &
      Record<"code" | "remoteCode" | "retryable" | "peerId", unknown>;
    const cause = error.cause instanceof Error ? error.cause.message : error.cause;
    return toJson({
      name: error.name,
      message: error.message,
      code,
      remoteCode,
      retryable,
      peerId,
      cause: typeof cause === "string" ? cause : null,
    });
  };

  const toJson = (value: unknown): unknown => {
    if (value === undefined) return { $undefined: true };
    if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
      return { $number: Object.is(value, -0) ? "-0" : String(value) };
    }
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Uint8Array) return bytesToJson(value);
    if (value instanceof Error) return errorToJson(value);
    if (Array.isArray(value)) return value.map(toJson);
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toJson(member)]));
  };

  const cyclic = (): unknown => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    return circle;
  };

  const fromJson = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(fromJson);
    const [first] = Object.entries(value);
    const [tag, content] = first ?? ["", null];
    switch (tag) {
      case "$undefined":
        return undefined;
      case "$function":
        return () => undefined;
      case "$cyclic":
        return cyclic();
      case "$bigint":
        return BigInt(content);
      case "$number":
        return Number(content);
      case "$bytes":
        return Array.isArray(content) ? Uint8Array.from(content) : content;
      case "$pattern":
        return pattern(content[0], content[1]);
      case "$signal":
        return signalOf(content);
      default:
        return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fromJson(member)]));
    }
  };

  return { encode: (value) => JSON.stringify(toJson(value)), decode: (text) => fromJson(JSON.parse(text)), pattern };
}
