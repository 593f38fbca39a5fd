// Who waits for whom where there are several ways to a better path.

import type { Transport } from "../path/transport.js";
import type { Millis } from "../runtime.js";
import { STAGGER_MS } from "./race.js";

/** Head start of the side with the smaller PeerId where both can dial, and of dialling where a negotiation could do as well. */
export const HEAD_START_MS: Millis = 1_000;

/** Dialling costs least and WebRTC most: what costs more waits for what may be there before it. */
export function headStart(transport: Transport, someoneCanDial: boolean, place: number): Millis {
  if (transport.kind === "webrtc") return someoneCanDial || place > 0 ? HEAD_START_MS : 0;
  return someoneCanDial ? STAGGER_MS : 0;
}
