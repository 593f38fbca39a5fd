// Dials a URL by the transport that knows its scheme.

import { abortable, deadline } from "../deadline.js";
import { NetworkError, toNetworkError } from "../errors.js";
import type { Link, LinkKind } from "../path/link.js";
import type { Transport } from "../path/transport.js";
import type { Clock, Millis } from "../runtime.js";

/** A link that was dialled, with the rank of its transport. */
export interface DialledLink {
  readonly link: Link;
  readonly rank: number;
}

export class Dialer {
  readonly #transports: readonly Transport[];
  readonly #clock: Clock;
  readonly #timeoutMs: Millis;

  constructor(transports: readonly Transport[], clock: Clock, timeoutMs: Millis) {
    this.#transports = transports;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Schemes that can be dialled, best first. */
  get schemes(): readonly string[] {
    return this.#dialable()
      .sort((a, b) => a.rank - b.rank)
      .flatMap((transport) => transport.schemes);
  }

  /** Rank of the transport that would dial `url`; `null` where none would. */
  rankOf(url: string): number | null {
    return this.#find(url)?.rank ?? null;
  }

  /** Kind of the links that dialling `url` would make; `null` where no transport would. */
  kindOf(url: string): LinkKind | null {
    return this.#find(url)?.kind ?? null;
  }

  /**
   * @throws NetworkError `ERR_ADDRESS_UNSUPPORTED`, `ERR_DIAL_TIMEOUT` or what the transport says; or the signal's reason
   */
  async dial(url: string, signal: AbortSignal): Promise<DialledLink> {
    const transport = this.#find(url);
    if (!transport?.dial) throw new NetworkError("ERR_ADDRESS_UNSUPPORTED", url);
    const limit = deadline(this.#clock, this.#timeoutMs, signal, () => new NetworkError("ERR_DIAL_TIMEOUT", url));
    try {
      // A custom transport may ignore the signal; its late link is closed instead of leaked.
      const link = await abortable(transport.dial(url, { signal: limit.signal }), limit.signal, (late) => late.close());
      return { link, rank: transport.rank };
    } catch (error) {
      if (limit.signal.aborted) throw limit.signal.reason;
      throw toNetworkError(error, "ERR_DIAL_FAILED");
    } finally {
      limit.clear();
    }
  }

  #dialable(): Transport[] {
    return this.#transports.filter((transport) => transport.dial !== undefined && transport.schemes.length > 0);
  }

  #find(url: string): Transport | undefined {
    const colon = url.indexOf(":");
    const scheme = colon < 0 ? "" : url.slice(0, colon).toLowerCase();
    return this.#dialable().find((transport) => transport.schemes.includes(scheme));
  }
}
