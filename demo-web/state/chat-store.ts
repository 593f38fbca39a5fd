// The page's reducer: takes a state and what happened, gives back the next state. No clock, no network, no document.

import type { ChatAction } from "./chat-action.js";
import { reduceEntries } from "./chat-entries.js";
import { reduceMembers } from "./chat-members.js";
import { type ChatState, INITIAL_STATE } from "./chat-state.js";

export type { ChatAction } from "./chat-action.js";

/** The next state. Gives the same object back when nothing changed, so that views may compare by identity. */
export function reduceChat(state: ChatState, action: ChatAction): ChatState {
  switch (action.type) {
    case "joining":
      return { ...INITIAL_STATE, screen: "joining", self: action.self };
    case "joined":
      return { ...state, screen: "chat", room: action.room, error: null };
    case "left":
      return { ...INITIAL_STATE, error: state.screen === "joining" ? state.error : null };
    case "error":
      return state.error === action.text ? state : { ...state, error: action.text };
    case "relay":
      return state.relay === action.status ? state : { ...state, relay: action.status };
    case "roomJoin":
    case "roomLeave":
    case "peer":
    case "path":
    case "sampled":
      return reduceMembers(state, action);
    default:
      return reduceEntries(state, action);
  }
}
