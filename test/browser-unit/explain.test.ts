// What a page finds out about its paths: addresses that its browser forbids, and what would help.

import { afterEach, describe, expect, test, vi } from "vitest";
import { browserAdvice } from "../../src/browser/advice.js";
import { openWebSocket } from "../../src/browser/websocket-transport.js";
import type { PathReport } from "../../src/core/index.js";

/** A browser's WebSocket that never opens; a page learns nothing more. */
class ClosedSocket {
  binaryType = "blob";
  onerror: (() => void) | null = null;
  constructor() {
    queueMicrotask(() => this.onerror?.());
  }
  close(): void {}
}

const live = new AbortController().signal;

afterEach(() => vi.unstubAllGlobals());

describe("a WebSocket that does not open", () => {
  test.each([
    ["https:", "ws://10.0.0.7:8080", "ERR_DIAL_FORBIDDEN"],
    ["https:", "ws://box.example", "ERR_DIAL_FORBIDDEN"],
    ["https:", "ws://127.0.0.1:8080", "ERR_DIAL_FAILED"],
    ["https:", "ws://[::1]:8080", "ERR_DIAL_FAILED"],
    ["https:", "ws://localhost:8080", "ERR_DIAL_FAILED"],
    ["https:", "wss://10.0.0.7:8080", "ERR_DIAL_FAILED"],
    ["http:", "ws://10.0.0.7:8080", "ERR_DIAL_FAILED"],
  ])("from a page of %s to %s is %s", async (protocol, url, code) => {
    vi.stubGlobal("WebSocket", ClosedSocket);
    vi.stubGlobal("location", { protocol });
    await expect(openWebSocket(url, live)).rejects.toMatchObject({ code });
  });
});

describe("advice to a page", () => {
  const NODE = { addresses: [], schemes: ["tcp", "ws", "wss"], negotiable: ["udp"], verdicts: [] };

  test.each<[string, object, string[]]>([
    [
      "an https page and a Node peer without WebRTC",
      { codes: ["ERR_DIAL_FORBIDDEN"], remote: NODE },
      ["HINT_PAGE_HTTPS", "HINT_REMOTE_WEBRTC_MISSING"],
    ],
    ["WebRTC that found no way", { codes: ["ERR_WEBRTC_FAILED"], remote: { ...NODE, schemes: ["ws"] } }, ["HINT_TURN"]],
    ["a Node peer with WebRTC", { codes: [], remote: { ...NODE, negotiable: ["webrtc"] } }, []],
    ["a peer that has said nothing", { codes: [], remote: null }, []],
  ])("for %s", (_name, told, hints) => {
    const { codes, remote } = told as { codes: string[]; remote: PathReport["remote"] };
    const report = { attempts: codes.map((code) => ({ code })), remote } as unknown as PathReport;
    expect(browserAdvice.path(report, { options: {}, stunServers: [] })).toEqual(hints);
  });
});
