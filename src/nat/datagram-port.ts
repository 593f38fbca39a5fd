// A UDP socket as the rules of this folder see it: datagrams out, datagrams in.

/** Where a datagram goes or came from. */
export interface Endpoint {
  /** A numeric address, IPv4 or IPv6, without brackets or zone; IPv4 is never in IPv6 clothes. */
  readonly host: string;
  readonly port: number;
}

/** A bound UDP socket. */
export interface DatagramPort {
  /** The local port. */
  readonly port: number;
  /**
   * Sends one datagram. It may be lost, and nothing is told when it is; it never throws.
   * @param ttl - how many routers it may pass (IPv4 TTL, IPv6 hop limit); default: that of the system
   */
  send(datagram: Uint8Array, to: Endpoint, ttl?: number): void;
  /**
   * Calls back with each datagram that comes, on every subscriber. The bytes are only valid during the call.
   * @returns how to stop it
   */
  subscribe(receive: (datagram: Uint8Array, from: Endpoint) => void): () => void;
  /** Closes it, unless something else still uses it. Calling it twice is harmless. */
  close(): void;
}
