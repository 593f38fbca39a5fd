// The states of a session.

import type { Timer } from "../runtime.js";

//  connecting ──hello──▶ connected ──last link gone──▶ reconnecting ──resume window──▶ disconnected
//      └──────────────────────┴───── goodbye, close ────────┴──────────────────────────────▲
export type SessionState =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected" }
  | { readonly kind: "reconnecting"; readonly deadline: Timer }
  | { readonly kind: "disconnected" };
