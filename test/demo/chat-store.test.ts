import type { PeerInfo } from "linknet";
import { describe, expect, test } from "vitest";
import {
  bannerText,
  type ChatState,
  deliveryCount,
  type FileEntry,
  INITIAL_STATE,
  isResumable,
  MAX_ENTRIES,
  MAX_SAMPLES,
  sortedMembers,
  type TextEntry,
  ticksOf,
  transferSummary,
} from "../../demo-web/state/chat-state.js";
import { type ChatAction, reduceChat } from "../../demo-web/state/chat-store.js";

function info(id: string, change: Partial<PeerInfo> = {}): PeerInfo {
  return {
    ...{ id, name: id, address: null, path: "relay", status: "connected", rttMs: 5 },
    ...{ messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, queuedBytes: 0 },
    ...change,
  };
}

const JOINED: readonly ChatAction[] = [
  { type: "joining", self: { id: "me", name: "Me" } },
  { type: "joined", room: "garden" },
];

function stateAfter(...actions: readonly ChatAction[]): ChatState {
  return actions.reduce(reduceChat, INITIAL_STATE);
}

function peer(id: string, change: Partial<PeerInfo> = {}): ChatAction {
  return { type: "peer", info: info(id, change), timeMs: 0 };
}

function systemLines(state: ChatState): string[] {
  return state.entries.flatMap((entry) => (entry.kind === "system" ? [entry.text] : []));
}

describe("members", () => {
  test("are listed as soon as the room names them, and join when a session is up", () => {
    const named = stateAfter(...JOINED, { type: "roomJoin", peerId: "ada", timeMs: 0 });
    expect(named.members.ada?.status).toBe("connecting");
    expect(systemLines(named)).toEqual([]);
    expect(systemLines(reduceChat(named, peer("ada")))).toEqual(["ada joined"]);
  });

  test("who is reconnected has not joined again", () => {
    const state = stateAfter(...JOINED, peer("ada"), peer("ada", { status: "reconnecting" }), peer("ada"));
    expect(systemLines(state)).toEqual(["ada joined"]);
  });

  test("leave once, whichever of session and room ends first", () => {
    const both = [...JOINED, { type: "roomJoin", peerId: "ada", timeMs: 0 }, peer("ada")] as const;
    const gone = peer("ada", { status: "disconnected" });
    const left: ChatAction = { type: "roomLeave", peerId: "ada", timeMs: 0 };
    for (const state of [stateAfter(...both, gone, left), stateAfter(...both, left, gone)]) {
      expect(systemLines(state)).toEqual(["ada joined", "ada left"]);
      expect(state.members).toEqual({});
    }
  });

  test("whom we could not reach yet stays in the list while the room has them, and goes without a word", () => {
    const tried = stateAfter(...JOINED, { type: "roomJoin", peerId: "ada", timeMs: 0 }, peer("ada", { status: "disconnected" }));
    expect(tried.members.ada?.status).toBe("connecting");
    const state = reduceChat(tried, { type: "roomLeave", peerId: "ada", timeMs: 0 });
    expect(state.members).toEqual({});
    expect(systemLines(state)).toEqual([]);
  });

  test("a change of path is told, but not the first path", () => {
    const state = stateAfter(
      ...JOINED,
      peer("ada"),
      { type: "path", peerId: "ada", path: "relay", previous: null, timeMs: 0 },
      { type: "path", peerId: "ada", path: "webrtc", previous: "relay", timeMs: 0 },
    );
    expect(systemLines(state)).toEqual(["ada joined", "The path to ada is now direct, over WebRTC"]);
    expect(state.members.ada?.path).toBe("webrtc");
  });

  test("keep one minute of samples, with gaps while there is no path", () => {
    let state = stateAfter(...JOINED, peer("ada"));
    for (let second = 0; second < MAX_SAMPLES + 10; second++)
      state = reduceChat(state, { type: "sampled", infos: [info("ada", { rttMs: second })] });
    state = reduceChat(state, { type: "sampled", infos: [] });
    expect(state.members.ada?.samples).toHaveLength(MAX_SAMPLES);
    expect(state.members.ada?.samples.slice(-2)).toEqual([MAX_SAMPLES + 9, null]);
  });

  test("a snapshot without a name does not take back the one that was heard", () => {
    const state = stateAfter(...JOINED, peer("ada", { name: "Ada" }), peer("ada", { name: "" }));
    expect(state.members.ada?.name).toBe("Ada");
  });

  test("connected ones come first, then the alphabet", () => {
    const state = stateAfter(...JOINED, peer("zoe"), peer("ada", { status: "reconnecting" }), peer("bob"));
    expect(sortedMembers(state).map(({ id }) => id)).toEqual(["bob", "zoe", "ada"]);
  });

  test("an id called __proto__ changes nobody's prototype", () => {
    const state = stateAfter(...JOINED, peer("__proto__"));
    expect(Object.getPrototypeOf(state.members)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).status).toBeUndefined();
  });
});

describe("ticks", () => {
  const written: ChatAction = { type: "written", text: "hi", messageId: "m1", to: ["ada", "bob"], timeMs: 0 };
  const receipt = (peerId: string, what: "accepted" | "delivered" | "failed"): ChatAction => ({
    ...{ type: "receipt", messageId: "m1", peerId, receipt: what },
  });
  const entry = (...actions: readonly ChatAction[]): TextEntry =>
    stateAfter(...JOINED, written, ...actions).entries[0] as TextEntry;

  test("go from sending over sent to delivered, when everybody has got so far", () => {
    expect(ticksOf(entry())).toBe("sending");
    expect(ticksOf(entry(receipt("ada", "accepted")))).toBe("sending");
    expect(ticksOf(entry(receipt("ada", "delivered"), receipt("bob", "accepted")))).toBe("sent");
    const all = entry(receipt("ada", "delivered"), receipt("bob", "delivered"));
    expect(ticksOf(all)).toBe("delivered");
    expect(deliveryCount(all)).toEqual({ delivered: 2, of: 2 });
  });

  test("are not taken back by an accepted that is told late", () => {
    expect(entry(receipt("ada", "delivered"), receipt("ada", "accepted")).receipts.ada).toBe("delivered");
  });

  test("show a failure only when nobody got it", () => {
    expect(ticksOf(entry(receipt("ada", "failed"), receipt("bob", "delivered")))).toBe("delivered");
    expect(ticksOf(entry(receipt("ada", "failed"), receipt("bob", "failed")))).toBe("failed");
  });

  test("say failed at once when nobody is there", () => {
    const state = stateAfter(...JOINED, { ...written, to: [] } as ChatAction);
    expect(ticksOf(state.entries[0] as TextEntry)).toBe("failed");
  });

  test("ignore receipts of strangers and for messages of others", () => {
    expect(entry(receipt("mallory", "delivered")).receipts).toEqual({ ada: "waiting", bob: "waiting" });
    const state = stateAfter(...JOINED, peer("ada"), { type: "received", peerId: "ada", text: "x", messageId: "m1", timeMs: 0 });
    expect(reduceChat(state, receipt("ada", "delivered"))).toBe(state);
  });

  test("a message that is sent again keeps those who have it and waits for the others", () => {
    const again = entry(receipt("ada", "delivered"), receipt("bob", "failed"), {
      ...{ type: "rewritten", key: 1, messageId: "m2", to: ["bob", "cyr"] },
    });
    expect(again.receipts).toEqual({ ada: "delivered", bob: "waiting", cyr: "waiting" });
    expect(again.messageId).toBe("m2");
  });
});

describe("files", () => {
  const began = (mine: boolean, peers: readonly string[]): ChatAction => ({
    ...{ type: "fileBegan", mine, peers, transferId: "t", name: "a.bin", size: 100, url: null, picture: false, timeMs: 0 },
  });
  const file = (...actions: readonly ChatAction[]): FileEntry => stateAfter(...JOINED, ...actions).entries[0] as FileEntry;

  test("show the progress over everybody who still wants it", () => {
    const moving = file(
      began(true, ["ada", "bob", "cyr"]),
      { type: "fileProgress", mine: true, peerId: "ada", transferId: "t", bytes: 50 },
      { type: "fileEnded", mine: true, peerId: "cyr", transferId: "t", reason: "left" },
    );
    expect(transferSummary(moving)).toEqual({ state: "moving", fraction: 0.25, done: 0, of: 3, reason: "left" });
  });

  test("are done when the last one has it, and ended when nobody will", () => {
    const sent = (peerId: string): ChatAction => ({ type: "fileSent", peerId, transferId: "t" });
    expect(transferSummary(file(began(true, ["ada", "bob"]), sent("ada"))).state).toBe("moving");
    expect(transferSummary(file(began(true, ["ada", "bob"]), sent("ada"), sent("bob"))).state).toBe("done");
    const ended: ChatAction = { type: "fileEnded", mine: true, peerId: "ada", transferId: "t", reason: "busy" };
    expect(transferSummary(file(began(true, ["ada"]), ended))).toMatchObject({ state: "ended", reason: "busy" });
  });

  test("that are interrupted may be sent on, to the same peer or to another one in its place", () => {
    const interrupted = (mine: boolean): ChatAction => ({ type: "fileInterrupted", mine, peerId: "ada", transferId: "t" });
    const resumed = (peerId: string, mine = true): ChatAction => ({ type: "fileResumed", mine, peerId, transferId: "t" });
    const lost = file(began(true, ["ada"]), interrupted(true));
    expect([transferSummary(lost).state, isResumable(lost)]).toEqual(["interrupted", true]);
    const again = file(began(true, ["ada"]), interrupted(true), resumed("ada"));
    expect([transferSummary(again).state, isResumable(again)]).toEqual(["moving", false]);
    const elsewhere = file(began(true, ["ada"]), interrupted(true), { type: "fileForgot", transferId: "t" }, resumed("bob"));
    expect(Object.keys(elsewhere.transfers)).toEqual(["bob"]);
    const received = file(began(false, ["ada"]), interrupted(false));
    expect([transferSummary(received).state, isResumable(received)]).toEqual(["interrupted", false]);
    expect(transferSummary(file(began(false, ["ada"]), interrupted(false), resumed("ada", false))).state).toBe("moving");
    expect(file(began(false, ["ada"]), interrupted(false), resumed("mallory", false)).transfers.mallory).toBeUndefined();
  });

  test("that were cancelled are not sent on, those whose peer did not come back are", () => {
    const ended = (reason: string): ChatAction => ({ type: "fileEnded", mine: true, peerId: "ada", transferId: "t", reason });
    expect(isResumable(file(began(true, ["ada"]), ended("cancelled")))).toBe(false);
    expect(isResumable(file(began(true, ["ada"]), ended("left")))).toBe(true);
    const cancelled = file(began(true, ["ada"]), ended("cancelled"), {
      ...{ type: "fileResumed", mine: true, peerId: "ada", transferId: "t" },
    });
    expect(transferSummary(cancelled).state).toBe("ended");
  });

  test("arrive only from the peer who sends them, though the id may be the same", () => {
    const arrived = (peerId: string): ChatAction => ({
      type: "fileArrived",
      peerId,
      transferId: "t",
      url: "blob:x",
      picture: false,
    });
    expect(file(began(false, ["ada"]), arrived("mallory")).url).toBeNull();
    expect(file(began(true, ["ada"]), arrived("ada")).url).toBeNull();
    const whole = file(began(false, ["ada"]), arrived("ada"));
    expect(whole.url).toBe("blob:x");
    expect(transferSummary(whole).state).toBe("done");
  });
});

test("only the newest entries are kept, and keys go on rising", () => {
  let state = stateAfter(...JOINED, peer("ada"));
  for (let count = 0; count < MAX_ENTRIES + 20; count++) {
    state = reduceChat(state, { type: "received", peerId: "ada", text: `${count}`, messageId: `${count}`, timeMs: 0 });
  }
  expect(state.entries).toHaveLength(MAX_ENTRIES);
  expect(state.entries.at(-1)).toMatchObject({ text: `${MAX_ENTRIES + 19}`, key: MAX_ENTRIES + 21 });
});

test("the banner tells what is being reconnected, and nothing while all is well", () => {
  const well = stateAfter(...JOINED, { type: "relay", status: "connected" }, peer("ada", { path: "webrtc" }));
  expect(bannerText(well)).toBeNull();
  expect(bannerText(reduceChat(well, peer("ada", { status: "reconnecting" })))).toBe("The path to ada was lost. Reconnecting…");
  const alone = reduceChat(well, { type: "relay", status: "disconnected" });
  expect(bannerText(alone)).toBe("Reconnecting to the relay… Direct connections go on meanwhile.");
  expect(bannerText(stateAfter(...JOINED, { type: "relay", status: "disconnected" }))).toBe("Reconnecting to the relay…");
});

test("leaving forgets everything, but keeps the error that kept us from joining", () => {
  const failed = stateAfter(
    { type: "joining", self: { id: "me", name: "Me" } },
    { type: "error", text: "No relay." },
    { type: "left" },
  );
  expect(failed).toEqual({ ...INITIAL_STATE, error: "No relay." });
  expect(stateAfter(...JOINED, peer("ada"), { type: "left" })).toEqual(INITIAL_STATE);
});
