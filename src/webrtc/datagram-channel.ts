// The channel of a WebRTC connection that carries datagrams: unordered, and nothing is sent again.

import type { Datagrams } from "../core/path/link.js";

/**
 * The channel for datagrams is known to both sides by its id alone, so neither tells the other of it. simple-peer's own channel takes
 * 0 or 1, by the role in DTLS (RFC 8832 §6), and there are no others.
 */
const DATAGRAM_CHANNEL_ID = 10;

/** What fits into one packet of a path that carries 1,280 bytes, behind the heads of IPv6, UDP, DTLS and SCTP. */
const MAX_DATAGRAM_BYTES = 1_100;

/** Bytes in the buffer of that channel above which datagrams are dropped: they would only come too late. */
const DATAGRAM_HIGH_WATER_BYTES = 16 * 1024;

/** Before the offer or answer, so that nothing is negotiated again. @returns `undefined` where the implementation does not want to */
export function createDatagramChannel(connection: RTCPeerConnection | null | undefined): RTCDataChannel | undefined {
  try {
    const settings = { negotiated: true, id: DATAGRAM_CHANNEL_ID, ordered: false, maxRetransmits: 0 };
    const channel = connection?.createDataChannel("", settings);
    if (channel) channel.binaryType = "arraybuffer";
    return channel;
  } catch {
    return undefined;
  }
}

/** @param deliver - is given each datagram that comes */
export function datagramsOf(channel: RTCDataChannel, deliver: (datagram: Uint8Array) => void): Datagrams {
  channel.onmessage = ({ data }) => {
    // Anything else is as good as lost.
    if (data instanceof ArrayBuffer && data.byteLength <= MAX_DATAGRAM_BYTES) deliver(new Uint8Array(data));
  };
  return {
    maxBytes: MAX_DATAGRAM_BYTES,
    send: (datagram) => {
      const fits = channel.readyState === "open" && channel.bufferedAmount <= DATAGRAM_HIGH_WATER_BYTES;
      if (fits) channel.send(datagram as Uint8Array<ArrayBuffer>);
      return fits;
    },
  };
}
