// A bare RTCDataChannel between two pages.

import { channelConnection } from "./channel.js";
import { signalling } from "./signalling.js";

/** @param {import("./main.js").Task} task */
export async function open({ initiates, name = "rtc" }) {
  const rtc = new RTCPeerConnection({ iceServers: [] });
  /** @type {RTCIceCandidateInit[] | null} until the other side is known */
  let early = [];
  const tell = signalling(name, async ({ description, candidate }) => {
    if (candidate) {
      if (early) early.push(candidate);
      else await rtc.addIceCandidate(candidate);
      return;
    }
    await rtc.setRemoteDescription(description);
    for (const one of early ?? []) await rtc.addIceCandidate(one);
    early = null;
    if (initiates) return;
    await rtc.setLocalDescription();
    tell({ description: rtc.localDescription });
  });
  rtc.onicecandidate = ({ candidate }) => {
    if (candidate) tell({ candidate });
  };
  const channel = rtc.createDataChannel("bench", { negotiated: true, id: 0 });
  channel.binaryType = "arraybuffer";
  const connected = new Promise((resolve) => {
    channel.onopen = () => {
      const connection = channelConnection(channel);
      channel.onmessage = ({ data }) => connection.onMessage(new Uint8Array(data));
      resolve(connection);
    };
  });
  if (initiates) {
    await rtc.setLocalDescription();
    tell({ description: rtc.localDescription });
  }
  return { connected };
}
