// Everything that can happen to the page's state.

import type { PeerId, PeerInfo } from "linknet";
import type { Receipt, Self } from "./chat-state.js";

/** Everything that can happen. Times are in ms since 1970. */
export type ChatAction =
  | { readonly type: "joining"; readonly self: Self }
  | { readonly type: "joined"; readonly room: string | null }
  | { readonly type: "left" }
  | { readonly type: "error"; readonly text: string | null }
  | { readonly type: "relay"; readonly status: "connected" | "disconnected" }
  | { readonly type: "roomJoin" | "roomLeave"; readonly peerId: PeerId; readonly timeMs: number }
  | { readonly type: "peer"; readonly info: PeerInfo; readonly timeMs: number }
  | {
      readonly type: "path";
      readonly peerId: PeerId;
      readonly path: string;
      readonly previous: string | null;
      readonly timeMs: number;
    }
  | { readonly type: "sampled"; readonly infos: readonly PeerInfo[] }
  | {
      readonly type: "received";
      readonly peerId: PeerId;
      readonly text: string;
      readonly messageId: string;
      readonly timeMs: number;
    }
  | {
      readonly type: "written";
      readonly text: string;
      readonly messageId: string;
      readonly to: readonly PeerId[];
      readonly timeMs: number;
    }
  | { readonly type: "rewritten"; readonly key: number; readonly messageId: string; readonly to: readonly PeerId[] }
  | { readonly type: "receipt"; readonly peerId: PeerId; readonly messageId: string; readonly receipt: Receipt }
  | {
      readonly type: "fileBegan";
      readonly mine: boolean;
      /** Recipients of an own file, or the one sender. */
      readonly peers: readonly PeerId[];
      readonly transferId: string;
      readonly name: string;
      readonly size: number;
      readonly url: string | null;
      readonly picture: boolean;
      readonly timeMs: number;
    }
  | {
      readonly type: "fileProgress";
      readonly peerId: PeerId;
      readonly transferId: string;
      readonly mine: boolean;
      readonly bytes: number;
    }
  | {
      readonly type: "fileArrived";
      readonly peerId: PeerId;
      readonly transferId: string;
      readonly url: string;
      readonly picture: boolean;
    }
  | { readonly type: "fileInterrupted"; readonly peerId: PeerId; readonly transferId: string; readonly mine: boolean }
  /** A transfer goes on; it may be one that was not there before, to somebody else. */
  | { readonly type: "fileResumed"; readonly peerId: PeerId; readonly transferId: string; readonly mine: boolean }
  /** Nobody waits any longer for those of an own file whose session is lost. */
  | { readonly type: "fileForgot"; readonly transferId: string }
  | { readonly type: "fileSent"; readonly peerId: PeerId; readonly transferId: string }
  | {
      readonly type: "fileEnded";
      readonly peerId: PeerId;
      readonly transferId: string;
      readonly mine: boolean;
      readonly reason: string;
    };
