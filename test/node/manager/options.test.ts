// Options that cannot be meant are refused at once, by name.

import { NetworkError, NetworkManager, type NetworkManagerOptions } from "linknet";
import { describe, expect, test } from "vitest";

const BAD: readonly (readonly [named: string, options: object])[] = [
  ["relay", { relay: "wss://relay.example" }],
  ["relays", { relays: ["https://relay.example"] }],
  ["relays", { relays: ["no url"] }],
  ["relays", { relays: "wss://relay.example" }],
  ["relays", { relays: 7 }],
  ["name", { name: "n".repeat(65) }],
  ["name", { name: 7 }],
  ["identity", { identity: new Uint8Array(31) }],
  ["identity", { identity: "secret" }],
  ["transports", { transports: [{ kind: "toy" }] }],
  ["transports", { transports: {} }],
  ["disableTransports", { disableTransports: "webrtc" }],
  ["disableTransports", { disableTransports: [7] }],
  ["host", { host: 7 }],
  ["upgrade", { upgrade: "yes" }],
  ["portMapping", { portMapping: "yes" }],
  ["limits", { limits: 7 }],
  ["limits.maxPeers", { limits: { maxPeers: 3 } }],
  ["limits.maxConnections", { limits: { maxConnections: 0 } }],
  ["limits.maxConnections", { limits: { maxConnections: "3" } }],
  ["limits.connectTimeoutMs", { limits: { connectTimeoutMs: Number.NaN } }],
  ["limits.maxMessageBytes", { limits: { maxMessageBytes: 17 * 1024 * 1024 } }],
  ["limits.toString", { limits: { toString: 3 } }],
];

describe("options", () => {
  test.each(BAD)("ERR_OPTION_INVALID names %s: %j", (named, options) => {
    let thrown: unknown = null;
    try {
      new NetworkManager(options as NetworkManagerOptions);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(NetworkError);
    expect(thrown).toMatchObject({ code: "ERR_OPTION_INVALID", message: expect.stringContaining(named) });
  });

  test("a secret that is refused is not told", () => {
    expect(() => new NetworkManager({ identity: "correct horse" } as unknown as NetworkManagerOptions)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("horse") }),
    );
  });

  test("undefined options stand for their defaults", () => {
    const net = new NetworkManager({ relays: undefined, name: undefined, limits: { maxConnections: undefined } } as object);
    expect(net.peerId).toMatch(/^[a-z2-7]{52}$/);
  });
});
