// Which names a relay answers to. A login is signed for one name: accepting a foreign one would let another relay pass our
// challenge on and log in here as its own visitor.

import { hostname } from "node:os";
import { isLoopback, unmapAddress } from "../core/path/ip-address.js";
import { relayAuthority, splitAuthority } from "../core/relay/relay-address.js";

/** The ends of a client's connection, as its socket knows them. */
export interface ConnectionEnds {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
}

/** The names of one relay. */
export class OwnAuthorities {
  readonly #public: ReadonlySet<string>;
  readonly #acceptLocalNames: boolean;
  readonly #hostNames: ReadonlySet<string>;

  /**
   * @param publicUrls - URLs that clients dial, such as `wss://relay.example`
   * @param acceptLocalNames - whether this machine's own names and addresses count as well
   * @throws NetworkError `ERR_OPTION_INVALID` when one is not a URL of a relay
   */
  constructor(publicUrls: readonly string[], acceptLocalNames: boolean) {
    this.#public = new Set(publicUrls.map(relayAuthority));
    this.#acceptLocalNames = acceptLocalNames;
    const name = hostname().toLowerCase();
    this.#hostNames = new Set([name, `${name}.local`]);
  }

  /** Whether a client that dialled `authority` meant us. */
  accepts(authority: string, ends: ConnectionEnds): boolean {
    if (this.#public.has(authority)) return true;
    const parts = this.#acceptLocalNames ? splitAuthority(authority) : null;
    if (!parts || parts.port !== ends.localPort || ends.localAddress === undefined) return false;
    // Every machine calls itself localhost: the name says something only about a client on this machine.
    if (parts.host === "localhost") return ends.remoteAddress !== undefined && isLoopback(ends.remoteAddress);
    return this.#hostNames.has(parts.host) || sameAddress(parts.host, ends.localAddress);
  }
}

function sameAddress(host: string, localAddress: string): boolean {
  const local = unmapAddress(localAddress.split("%")[0] as string);
  if (local === host) return true;
  // Two spellings of one IPv6 address: the URL parser writes the normal form of both.
  return local.includes(":") && host.includes(":") && relayAuthority(`ws://[${local}]:1`) === relayAuthority(`ws://[${host}]:1`);
}
