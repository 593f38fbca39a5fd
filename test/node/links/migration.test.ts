// A session moves from one kind of link to another while messages flow both ways: once and in order, and the event `path` tells.

import type { LinkKind, NetworkManager } from "linknet";
import { createRelay, type Relay } from "linknet/relay";
import { describe, expect, onTestFinished, test } from "vitest";
import { portOf, record, started } from "../manager/support.js";
import { numbersBothWays, proxyTo, QUICK, statusesOf, type TwoWays, until } from "./support.js";

const openRelay = async (): Promise<Relay> => {
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
  onTestFinished(() => relay.close());
  return relay;
};

/** Messages each way before the move, where the test decides when it happens. */
const BEFORE = 5_000;
/** And after it. */
const AFTER = 5_000;

const further = (traffic: TwoWays, count: number): Promise<unknown> =>
  Promise.all([traffic.alice.reached(traffic.alice.next + count), traffic.bob.reached(traffic.bob.next + count)]);

/** Until both are on this kind of path, and messages have come over it. */
async function moved(nets: readonly [NetworkManager, NetworkManager], traffic: TwoWays, path: LinkKind): Promise<void> {
  const [alice, bob] = nets;
  const arrived = (): boolean => alice.getPeer(bob.peerId)?.path === path && bob.getPeer(alice.peerId)?.path === path;
  await until(nets, arrived, `both on the path ${path}`);
  await further(traffic, AFTER);
}

function tell(what: string, traffic: TwoWays, counts: { fromAlice: number; fromBob: number }): void {
  const gaps = [traffic.alice, traffic.bob].map((check) => Math.round(check.longestGapMs));
  console.log(`${what}: ${counts.fromAlice} + ${counts.fromBob} messages, longest time without one ${gaps.join(", ")} ms`);
}

describe("a session moves while messages flow both ways", () => {
  test("from the relay to TCP, by itself", { timeout: 40_000 }, async () => {
    const relay = await openRelay();
    const [alice, bob] = await Promise.all([started({ relays: [relay.url] }), started({ relays: [relay.url] })]);
    const paths = [record(alice, "path"), record(bob, "path")];
    const heard = [statusesOf(alice), statusesOf(bob)];
    await alice.connectToPeer(bob.peerId);
    const traffic = numbersBothWays(alice, bob);
    await moved([alice, bob], traffic, "tcp");
    tell("relay to tcp", traffic, await traffic.settle());
    expect(traffic.faults()).toEqual([]);
    for (const seen of paths) {
      expect(seen.map(({ path, previous }) => [previous, path])).toEqual([
        [null, "relay"],
        ["relay", "tcp"],
      ]);
    }
    for (const statuses of heard) expect(statuses).toEqual(["connecting", "connected"]);
  });

  test("from TCP to the relay, when TCP is cut and refused", { timeout: 40_000 }, async () => {
    const relay = await openRelay();
    const options = { relays: [relay.url], upgrade: false, limits: QUICK };
    const [alice, bob] = await Promise.all([started(options), started(options)]);
    const proxy = await proxyTo(portOf(bob));
    const paths = [record(alice, "path"), record(bob, "path")];
    const heard = [statusesOf(alice), statusesOf(bob)];
    await alice.connectToPeer("127.0.0.1", proxy.port);
    const traffic = numbersBothWays(alice, bob);
    await further(traffic, BEFORE);
    proxy.refuse();
    proxy.reset();
    await moved([alice, bob], traffic, "relay");
    tell("tcp to relay", traffic, await traffic.settle());
    expect(traffic.faults()).toEqual([]);
    for (const seen of paths) expect(seen.map(({ path }) => path)).toEqual(["tcp", "relay"]);
    for (const statuses of heard) expect(statuses).toEqual(["connecting", "connected", "reconnecting", "connected"]);
  });

  test("from WebSocket to TCP, by itself", { timeout: 40_000 }, async () => {
    const relay = await openRelay();
    const [alice, bob] = await Promise.all([started({ relays: [relay.url] }), started({ relays: [relay.url] })]);
    const paths = [record(alice, "path"), record(bob, "path")];
    const heard = [statusesOf(alice), statusesOf(bob)];
    await alice.connectToPeer(`ws://127.0.0.1:${portOf(bob)}`);
    const traffic = numbersBothWays(alice, bob);
    await moved([alice, bob], traffic, "tcp");
    tell("websocket to tcp", traffic, await traffic.settle());
    expect(traffic.faults()).toEqual([]);
    for (const seen of paths) {
      expect(seen.map(({ path, previous }) => [previous, path])).toEqual([
        [null, "websocket"],
        ["websocket", "tcp"],
      ]);
    }
    for (const statuses of heard) expect(statuses).toEqual(["connecting", "connected"]);
  });

  test("from TCP to the relay and back, again and again, as TCP dies and returns", { timeout: 90_000 }, async () => {
    const ROUNDS = 5;
    const relay = await openRelay();
    const options = { relays: [relay.url], upgrade: false, limits: QUICK };
    const [alice, bob] = await Promise.all([started(options), started(options)]);
    const proxy = await proxyTo(portOf(bob));
    await alice.connectToPeer("127.0.0.1", proxy.port);
    const traffic = numbersBothWays(alice, bob);
    for (let round = 0; round < ROUNDS; round++) {
      await further(traffic, BEFORE);
      proxy.refuse();
      proxy.reset();
      await moved([alice, bob], traffic, "relay");
      proxy.acceptAgain();
      // By address, so there is a better link beside the relay's: the session takes it.
      await alice.connectToPeer("127.0.0.1", proxy.port);
      await moved([alice, bob], traffic, "tcp");
    }
    tell(`tcp to relay and back, ${ROUNDS} times`, traffic, await traffic.settle());
    expect(traffic.faults()).toEqual([]);
  });
});
