// The part of simple-peer 9.11 that webrtc-link.ts uses. The package brings no types of its own.

declare module "simple-peer/simplepeer.min.js" {
  interface SimplePeerOptions {
    readonly initiator: boolean;
    readonly trickle: boolean;
    /** Passed on to the stream that a peer is: messages stay apart, and text stays text. */
    readonly objectMode: boolean;
    readonly config: RTCConfiguration;
    readonly wrtc?: object;
    readonly iceCompleteTimeout: number;
  }

  export default class SimplePeer {
    static readonly WEBRTC_SUPPORT: boolean;
    constructor(options: SimplePeerOptions);
    readonly destroyed: boolean;
    readonly remoteAddress: string | undefined;
    readonly remotePort: number | undefined;
    /** Not part of its public interface; `null` once it is destroyed. */
    readonly _pc: RTCPeerConnection | null | undefined;
    /** Not part of its public interface; `null` before there is one and once it is destroyed. */
    readonly _channel: RTCDataChannel | null | undefined;
    signal(data: unknown): void;
    send(chunk: Uint8Array): void;
    destroy(error?: Error): void;
    on(event: "signal", listener: (signal: unknown) => void): this;
    on(event: "data", listener: (chunk: unknown) => void): this;
    on(event: "error", listener: (error: unknown) => void): this;
    on(event: "connect" | "close" | "signalingStateChange", listener: () => void): this;
  }
}
