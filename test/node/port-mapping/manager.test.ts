// What a manager does with port mapping: nobody waits for it, everybody is told, and stop() takes it back.

import { expect, onTestFinished, test } from "vitest";
import { CoreNetworkManager } from "../../../src/core/index.js";
import type { PortMapping, PortMappingContext, PortMappingStatus } from "../../../src/core/path/port-mapping.js";
import { nodeRuntime } from "../../../src/node/runtime.js";

/** Port mapping as a test does it. */
class FakeMapping implements PortMapping {
  readonly context: PortMappingContext;
  mapped: readonly string[] = [];
  closed = 0;
  closing: Promise<void> = Promise.resolve();

  constructor(context: PortMappingContext) {
    this.context = context;
  }

  get status(): PortMappingStatus {
    return { state: "mapped", protocol: "pcp", gateway: "192.168.1.1", ports: [], problem: null };
  }

  addresses(): readonly string[] {
    return this.mapped;
  }

  map(...addresses: string[]): void {
    this.mapped = addresses;
    this.context.onChange();
  }

  async close(): Promise<void> {
    this.closed++;
    await this.closing;
  }
}

function managerWithMapping(): { net: CoreNetworkManager; mappings: FakeMapping[] } {
  const mappings: FakeMapping[] = [];
  const mapPorts = (context: PortMappingContext): PortMapping => {
    const mapping = new FakeMapping(context);
    mappings.push(mapping);
    return mapping;
  };
  const net = new CoreNetworkManager({ host: "127.0.0.1" }, { ...nodeRuntime(), mapPorts });
  onTestFinished(() => net.stop());
  return { net, mappings };
}

function plainManager(): CoreNetworkManager {
  const net = new CoreNetworkManager({ host: "127.0.0.1" }, nodeRuntime());
  onTestFinished(() => net.stop());
  return net;
}

test("only the option asks a gateway for anything", () => {
  expect(nodeRuntime().mapPorts).toBeUndefined();
  expect(nodeRuntime({ portMapping: false }).mapPorts).toBeUndefined();
  expect(nodeRuntime({ portMapping: true }).mapPorts).toBeTypeOf("function");
});

test("the ports that were opened are the ones to map: TCP with its schemes, UDP without", async () => {
  const { net, mappings } = managerWithMapping();
  await net.start();
  const asked = mappings[0]?.context.listeners.flatMap(({ port, mappable }) => (mappable ? [{ port, ...mappable }] : [])) ?? [];
  expect(asked[0]).toEqual({ port: net.getLocalPort(), protocol: "tcp", schemes: ["tcp", "ws"] });
  // Where udx-native is missing there is no port for UDP.
  expect(asked.slice(1).every(({ protocol, schemes }) => protocol === "udp" && schemes.length === 0)).toBe(true);
  expect(mappings[0]?.context.host).toBe("127.0.0.1");
});

test("what was mapped stands behind our first address, in what we tell of ourselves", async () => {
  const { net, mappings } = managerWithMapping();
  await net.start();
  const port = net.getLocalPort();
  expect((await net.explain()).addresses).toEqual([`tcp://127.0.0.1:${port}`, `ws://127.0.0.1:${port}`]);
  mappings[0]?.map("tcp://11.22.33.44:8080", "ws://11.22.33.44:8080");
  const { addresses, portMapping } = await net.explain();
  expect(addresses).toEqual([
    `tcp://127.0.0.1:${port}`,
    "tcp://11.22.33.44:8080",
    "ws://11.22.33.44:8080",
    `ws://127.0.0.1:${port}`,
  ]);
  expect(portMapping).toEqual(mappings[0]?.status);
});

test("peers that are connected already are told when something was mapped, and when it is gone", async () => {
  const { net: alice, mappings } = managerWithMapping();
  const bob = plainManager();
  await Promise.all([alice.start(), bob.start()]);
  await bob.connectToPeer("127.0.0.1", alice.getLocalPort() ?? 0);
  const told = (): Promise<boolean> => bob.explain(alice.peerId).then((report) => JSON.stringify(report).includes("11.22.33.44"));
  expect(await told()).toBe(false);
  mappings[0]?.map("tcp://11.22.33.44:8080");
  await expect.poll(told).toBe(true);
  mappings[0]?.map();
  await expect.poll(told).toBe(false);
});

test("stop() waits for what is taken back, and each start asks anew", async () => {
  const { net, mappings } = managerWithMapping();
  await net.start();
  let takenBack = (): void => undefined;
  (mappings[0] as FakeMapping).closing = new Promise((resolve) => (takenBack = resolve));
  let stopped = false;
  const stopping = net.stop().then(() => {
    stopped = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect([mappings[0]?.closed, stopped]).toEqual([1, false]);
  takenBack();
  await stopping;
  await net.start();
  expect([mappings.length, mappings[0]?.closed]).toEqual([2, 1]);
  await net.stop();
  expect(mappings[1]?.closed).toBe(1);
});
