// `linknet doctor`: what it prints about this machine and one peer, and its exit code.

import { NetworkManager } from "linknet";
import { createRelay } from "linknet/relay";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { DOCTOR_HELP, parseDoctorOptions, runDoctorCommand } from "../../src/bin/doctor.js";

interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

async function doctor(...argv: string[]): Promise<Outcome> {
  let [output, errors] = ["", ""];
  const out = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    output += text;
    return true;
  });
  const err = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    errors += text;
    return true;
  });
  try {
    return { code: await runDoctorCommand(argv), output, errors };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}

async function relayUrl(): Promise<string> {
  const relay = await createRelay({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => relay.close());
  return relay.url;
}

async function peer(relay: string, name: string): Promise<NetworkManager> {
  const net = new NetworkManager({ relays: [relay], name, host: "127.0.0.1" });
  onTestFinished(() => net.stop());
  await net.start();
  return net;
}

describe("linknet doctor", () => {
  test("tells about this machine, and what would help", async () => {
    const { code, output, errors } = await doctor("--relay", await relayUrl());
    expect([code, errors]).toEqual([0, ""]);
    expect(output).toMatch(/^Runtime {7}Node, port \d+$/m);
    expect(output).toMatch(/^Relays .* is connected, [\d.]+ ms there and back$/m);
    expect(output).toMatch(/^STUN .* sees us as 127\.0\.0\.1:\d+$/m);
    expect(output).toContain("What would help");
  });

  test("tells about the path to a peer, with its timeline, once it has settled", async () => {
    const relay = await relayUrl();
    const bob = await peer(relay, "Bob\u001b[31m");
    const { code, output } = await doctor("--peer", bob.ticket(), "--relay", relay);
    expect(code).toBe(0);
    expect(output).toMatch(/^Bob\[31m is reached directly, over TCP at \S+:\d+, /m);
    expect(output).toMatch(/^path [ .Relay]*TCP\.*$/m);
    expect(output).not.toContain("\u001b");
  });

  test("prints the same as JSON, with the sentences of its codes", async () => {
    const relay = await relayUrl();
    const bob = await peer(relay, "Bob");
    const { code, output } = await doctor("--json", "--relay", relay, "--peer", bob.peerId);
    expect(code).toBe(0);
    const { network, path, problem, findings } = JSON.parse(output);
    expect(network).toMatchObject({ build: "node", relays: [{ connected: true }] });
    expect(path).toMatchObject({ peerId: bob.peerId, path: "tcp", why: "WHY_BEST" });
    expect(problem).toBeNull();
    expect(findings.WHY_BEST).toContain("nothing better");
    expect(Object.keys(findings)).toEqual(expect.arrayContaining(network.hints));
  });

  test("says what could not be reached, and ends with 1", async () => {
    const relay = await relayUrl();
    const nobody = "a".repeat(52);
    const lost = await doctor("--relay", relay, "--peer", nobody);
    expect(lost.code).toBe(1);
    expect(lost.errors).toMatch(/^linknet doctor: the peer was not reached\. /);
    const json = JSON.parse((await doctor("--relay", relay, "--peer", nobody, "--json")).output);
    expect(json).toMatchObject({ path: null, problem: { code: expect.stringMatching(/^ERR_/) } });
    const down = await doctor("--relay", "ws://127.0.0.1:9");
    expect([down.code, down.errors]).toEqual([1, ""]);
    expect(down.output).toMatch(/is not connected: /);
  });

  test.each([
    [["--relay", "http://relay.example"], /relays\[0\] must be a URL/],
    [["--stun", "turn:stun.example"], /stunServers/],
    [["--wait", "soon"], /--wait must be a number of seconds/],
    [["--port", "70000"], /--port must be a whole number/],
    [["--colour"], /--colour/],
    [["extra"], /extra/],
  ] as const)("says what is wrong with %j, and ends with 2", async (argv, problem) => {
    const { code, output, errors } = await doctor(...argv);
    expect([code, output]).toEqual([2, ""]);
    expect(errors).toMatch(problem);
    expect(errors).toMatch(/See linknet doctor --help\.\n$/);
  });

  test("explains each of its options", async () => {
    const { code, output } = await doctor("--help");
    expect([code, output]).toEqual([0, DOCTOR_HELP]);
    for (const option of ["relay", "stun", "peer", "wait", "port", "webrtc", "json"]) expect(output).toContain(`--${option}`);
  });

  test("asks the relay of the environment where none is given, and nobody without", () => {
    expect(parseDoctorOptions([], { LINKNET_RELAY: "ws://r.example" })).toMatchObject({
      relays: ["ws://r.example"],
      waitMs: 15_000,
    });
    expect(parseDoctorOptions(["--relay", "ws://a", "--relay", "ws://b"], { LINKNET_RELAY: "ws://r" })).toMatchObject({
      relays: ["ws://a", "ws://b"],
    });
    expect(parseDoctorOptions([], {})).toMatchObject({ relays: [], stunServers: [], peer: null, port: 0, json: false });
  });
});
