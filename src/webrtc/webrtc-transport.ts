// WebRTC: links that are negotiated inside a session that exists already.

import { NetworkError } from "../core/errors.js";
import type { Link } from "../core/path/link.js";
import type { NegotiateContext, Negotiation, Transport } from "../core/path/transport.js";
import { MAX_CANDIDATES, SignalGate } from "./signal.js";
import { connectWebRtc, type RtcConnection, type RtcSettings } from "./webrtc-link.js";

/** The `webrtc` transport, rank 40. It dials nothing: see {@link Transport.negotiate}. */
export function webrtcTransport(settings: RtcSettings): Transport {
  return { kind: "webrtc", schemes: [], rank: 40, negotiate: (context) => negotiate(context, settings) };
}

/** STUN servers that are added to those of the options: browsers take long over many (Firefox says so from five on). */
const MAX_STUN_SERVERS = 2;

function withStun(settings: RtcSettings, stunServers: readonly string[]): RtcSettings {
  const added = stunServers.slice(0, MAX_STUN_SERVERS).map((urls) => ({ urls }));
  return { ...settings, iceServers: [...settings.iceServers, ...added] };
}

function negotiate(context: NegotiateContext, settings: RtcSettings): Negotiation {
  const { initiator, signal: abort } = context;
  const gate = new SignalGate(initiator);
  let connection: RtcConnection | null = null;
  let settled = false;
  let sentCandidates = 0;
  let settle: { resolve(link: Link): void; reject(reason: unknown): void };
  const link = new Promise<Link>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Whoever negotiates may have gone; a failure that nobody waits for must not end a process.
  link.catch(() => undefined);

  const finish = (outcome: () => void): void => {
    if (settled) return;
    settled = true;
    abort.removeEventListener("abort", onAbort);
    outcome();
  };
  const fail = (reason: unknown): void =>
    finish(() => {
      connection?.cancel();
      settle.reject(reason);
    });
  const onAbort = (): void => fail(abort.reason);

  const send = (signal: unknown): void => {
    const isCandidate = (signal as { type?: unknown }).type === "candidate";
    if (isCandidate && ++sentCandidates > MAX_CANDIDATES / 2) return;
    try {
      context.sendSignal(signal);
    } catch (error) {
      fail(error);
    }
  };

  if (abort.aborted) {
    fail(abort.reason);
  } else {
    abort.addEventListener("abort", onAbort, { once: true });
    try {
      connection = connectWebRtc(initiator, withStun(settings, context.stunServers), {
        signal: send,
        open: (open) => finish(() => settle.resolve(open)),
        failed: fail,
      });
    } catch (error) {
      fail(error instanceof NetworkError ? error : new NetworkError("ERR_WEBRTC_FAILED", undefined, { cause: error }));
    }
  }

  return {
    link,
    receiveSignal(value) {
      if (settled && !connection) return;
      try {
        const signal = gate.check(value);
        if (signal) connection?.signal(signal);
      } catch (error) {
        // Once the link is open, late candidates are all that may matter, and a bad one changes nothing.
        fail(error);
      }
    },
  };
}
