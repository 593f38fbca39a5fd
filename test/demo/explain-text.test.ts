// Explanations as the terminal shows them: lines that fit, and nothing from outside that could take the terminal over.

import { ERROR_CODES, FINDINGS } from "linknet";
import { describe, expect, test } from "vitest";
import { pathText } from "../../demo-node/chat-lines.js";
import { headline, natLines, networkLines, nextText, pathLines, reachText } from "../../demo-web/chat/explain-text.js";
import { codeSentence, durationText, oneLine } from "../../demo-web/chat/explain-words.js";
import { attempt, MOVED, NETWORK, RELAYED } from "./reports.js";

describe("the path in words", () => {
  test("a relayed path: why, what comes next, the timeline, the attempts with their steps, and what would help", () => {
    const lines = pathLines(RELAYED, "Ada", 100, true);
    expect(lines.slice(0, 11)).toEqual([
      "Ada is reached through the relay, 42 ms there and back.",
      "Better paths failed and will be tried again.",
      "The next try is due in 14 s. Not tried again before a network changes: UDP.",
      "",
      "                      0 ms             500 ms           1.0 s            1.5 s             10 s now",
      "                      |----------------|----------------|----------------|--------------//-|------|",
      "path                  Relay.......................................................................",
      "TCP to 10.0.0.2:1000   ====x                                                               ======x",
      "UDP, begun by us               ====================================================x",
      "TCP, begun by us                        ===============================================~    ======>",
      "= tried   + opened   x failed   ~ no longer needed   > still running   // nothing happened",
    ]);
    const text = lines.join("\n");
    expect(text).toContain("  - 40 ms: TCP to 10.0.0.2:1000; it failed after 125 ms: nothing listens at this address");
    expect(text).toContain("    410 ms: the other side's NAT: random, seen at 198.51.100.7:5000; plan: local");
    expect(text).toContain("  - tcp://127.0.0.1:1000 (refused)");
    expect(text).toContain("  - quic://10.0.0.2:1000 (nothing here dials it)");
    expect(lines.at(-1)).toBe(`  - ${FINDINGS.HINT_PORTS_HOPELESS}`);
  });

  test("a direct path says over what, and a lost one that there is none", () => {
    expect(headline(MOVED, "Ada")).toBe("Ada is reached directly, over WebRTC at 192.0.2.7:5000, 3.3 ms there and back.");
    const lost = { ...MOVED, path: null, address: null, rttMs: null, status: "reconnecting" as const };
    expect(headline(lost, "Ada")).toBe("Ada is not reached right now (reconnecting).");
  });

  test("without anything planned there is no sentence about it", () => {
    expect(nextText({ retryInMs: null, hopeless: [] })).toBe("");
    expect(pathLines(MOVED, "Ada", 80)[2]).toBe("");
  });

  test.each([20, 40, 60, 80, 200])("the timeline fits a terminal of %i columns", (width) => {
    for (const report of [RELAYED, MOVED]) {
      const lines = pathLines(report, "Ada", width);
      const from = lines.indexOf("") + 1;
      const timeline = lines.slice(from, lines.indexOf("", from) - 1);
      expect(timeline.length).toBeGreaterThan(3);
      // No narrower than 40, where nothing could be read any more, and no wider than 120.
      for (const line of timeline) expect(line.length).toBeLessThanOrEqual(Math.min(120, Math.max(40, width)));
      expect(timeline[0]).toMatch(/ now$/);
    }
  });

  test("a label that is longer than its part of the line does not push the bars away", () => {
    const target = `tcp://[2001:db8:0:1111:2222:3333:4444:5555]:65535`;
    const report = { ...RELAYED, attempts: [attempt({ kind: "tcp", target, startedMs: 0, endedMs: 100, outcome: "failed" })] };
    for (const line of pathLines(report, "Ada", 60).slice(4, 9)) expect(line.length).toBeLessThanOrEqual(90);
  });

  test("what others named cannot write into the terminal", () => {
    const evil = "tcp://\u001b[2J\u202e10.0.0.2\nAda: hello\u0007:1000";
    const steps = [{ atMs: 1, text: `our NAT \u001b]0;x\u0007\n${"long ".repeat(100)}` }];
    const report = {
      ...RELAYED,
      path: "my\u001b[31mkind",
      address: evil,
      attempts: [
        attempt({ kind: "k\u001b[0m", target: evil, startedMs: 0, endedMs: 1, outcome: "failed", message: evil, steps }),
      ],
      changes: [{ atMs: 0, path: "k\nind", address: evil }],
      remote: { addresses: [evil], schemes: [], negotiable: ["\u001bx\ny"], verdicts: ["refused" as const] },
      hopeless: ["\u009bx"],
    };
    for (const line of pathLines(report, "Ada", 80, true)) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    for (const line of pathText(report, "Ada", 80).split("\n")) expect(line).toMatch(/^( {6}.*)?$/);
  });
});

describe("this side in words", () => {
  test("tells links, relays, STUN, the NAT and what would help", () => {
    expect(networkLines(NETWORK)).toEqual([
      "This NAT is a hard one: direct paths can be had to peers behind a better one, or behind none.",
      "",
      "Runtime       Node, port 8080",
      "Links         TCP (dials, listens, made together), WebSocket (dials)",
      "Not here      UDP: there is no UDP here: install udx-native",
      "              WebRTC: this runtime has none",
      "Addresses     tcp://10.0.0.1:8080",
      "              ws://10.0.0.1:8080",
      "Relays        wss://relay.example/ is connected, 23 ms there and back",
      "              wss://other.example/ is not connected: no relay is connected (refused)",
      "STUN          192.0.2.9:3478 sees us as 203.0.113.5:4000",
      "              192.0.2.10:3478 told nothing: the STUN server did not answer in time",
      "NAT           others see us as 203.0.113.5:4000",
      "              mapping: address-and-port-dependent (another port for each address and port)",
      "              allocation: random (ports are random)",
      "              filtering: unknown (only a STUN server with two addresses can tell)",
      "",
      "What would help",
      `  - ${FINDINGS.HINT_UDP_MISSING}`,
      `  - ${FINDINGS.HINT_NAT_RANDOM}`,
    ]);
  });

  test("a browser does not know its NAT", () => {
    const report = { ...NETWORK, build: "browser" as const, port: null, addresses: [], nat: null, relays: [], stunServers: [] };
    const text = networkLines(report).join("\n");
    expect(text).toContain("NAT           not known: a browser does not tell");
    expect(text).toContain("Addresses     none: nobody can dial us");
    expect(text).toContain("Relays        none");
  });

  test.each([
    [{ open: true }, /no NAT/],
    [{ mapping: "endpoint-independent" }, /good one/],
    [{ mapping: "unknown" }, /second STUN server/],
    [{ mapped: null }, /UDP does not get out/],
    [{ mapped: "127.0.0.1:4000", open: true }, /cannot tell/],
  ] as const)("says in one sentence who can reach it: %j", (found, sentence) => {
    const nat = { ...(NETWORK.nat as NonNullable<typeof NETWORK.nat>), ...found };
    expect(reachText({ nat, portMapping: null })).toMatch(sentence);
    expect(natLines(nat).length).toBeGreaterThan(0);
  });

  test("a port that the gateway opened comes first", () => {
    const ports = [{ protocol: "tcp", internalPort: 8080, externalAddress: "203.0.113.5", externalPort: 9000 }] as const;
    const portMapping = { state: "mapped", protocol: "pcp", gateway: "10.0.0.254", ports, problem: null } as const;
    expect(reachText({ nat: NETWORK.nat, portMapping })).toContain("203.0.113.5:9000");
    expect(networkLines({ ...NETWORK, portMapping })).toContain("              tcp 8080 is open at 203.0.113.5:9000");
  });
});

describe("words", () => {
  test.each([
    [0, "0 ms"],
    [12.4, "12 ms"],
    [999.6, "1.0 s"],
    [9_940, "9.9 s"],
    [9_960, "10 s"],
    [59_499, "59 s"],
    [60_000, "1 min"],
    [185_000, "3 min 5 s"],
    [3_600_000, "1 h"],
    [7_440_000, "2 h 4 min"],
  ])("%f ms are %s", (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });

  test("every code is a sentence", () => {
    for (const code of [...Object.keys(FINDINGS), ...Object.keys(ERROR_CODES)]) {
      expect(codeSentence(code as keyof typeof FINDINGS)).toMatch(/^[A-Z"].*[.!?]$/);
    }
  });

  test("text from outside becomes one line that ends", () => {
    expect(oneLine(" a\r\n\tb\u202e ")).toBe("a b");
    expect(oneLine("x".repeat(100_000)).length).toBe(200);
  });
});
