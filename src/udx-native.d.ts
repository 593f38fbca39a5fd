// The part of udx-native 1.21 that the UDP transport uses. The package brings no types of its own.

declare module "udx-native" {
  export interface UdxAddress {
    readonly host: string;
    readonly family: 4 | 6;
    readonly port: number;
  }

  export interface UdxSocket {
    /** Binds to any address, IPv4 and IPv6, unless `host` says otherwise. Throws when it cannot. */
    bind(port: number, host?: string): void;
    address(): UdxAddress | null;
    /** @param ttl - for this datagram; 0 for that of the system */
    trySend(datagram: Uint8Array, port: number, host: string, ttl?: number): void;
    /** Resolves when its last stream has gone too. */
    close(): Promise<void>;
    on(event: "message", listener: (datagram: Uint8Array, from: UdxAddress) => void): this;
  }

  /** A streamx duplex over a UDX connection. */
  export interface UdxStream {
    connect(socket: UdxSocket, remoteId: number, port: number, host: string): void;
    /** `false` when it should be given no more before "drain". */
    write(chunk: Uint8Array): boolean;
    end(): void;
    destroy(error?: Error): void;
    pause(): void;
    resume(): void;
    on(event: "data", listener: (chunk: Uint8Array) => void): this;
    on(event: "error", listener: (error: Error) => void): this;
    on(event: "drain" | "end" | "close", listener: () => void): this;
  }

  export default class UDX {
    constructor();
    createSocket(options?: { readonly ipv6Only?: boolean }): UdxSocket;
    /** @param id - 32 bits, one of a kind on its socket */
    createStream(id: number, options?: { readonly highWaterMark?: number }): UdxStream;
  }
}
