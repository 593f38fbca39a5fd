// When the gateway is asked, what comes of it, and what is taken back: on a virtual clock, with gateways that do what a test says.

import { afterEach, describe, expect, test } from "vitest";
import type { Listener } from "../../../src/core/path/transport.js";
import { type GatewayClient, GatewayError, type PortGrant, type PortRequest } from "../../../src/node/gateway/gateway-client.js";
import { type GatewayWay, PortMapper } from "../../../src/node/port-mapping.js";
import { VirtualClock } from "../../sim/virtual-clock.js";

const MINUTE = 60_000;

/** A gateway whose answers a test may change at any time. */
class Gateway {
  readonly address: string;
  /** By protocol and outside port. */
  readonly open = new Map<string, PortRequest>();
  readonly asked: number[] = [];
  protocol: GatewayClient["protocol"] = "pcp";
  localAddress = "192.168.1.2";
  answer: (request: PortRequest) => PortGrant | Promise<PortGrant> = (request) => this.grant(request);
  unmapAnswer: () => Promise<void> = async () => undefined;
  /** Fails where it throws. */
  opens: (signal: AbortSignal) => Promise<void> = async () => undefined;

  constructor(address = "192.168.1.1") {
    this.address = address;
  }

  grant(request: PortRequest, other: Partial<PortGrant> = {}): PortGrant {
    return { externalAddress: "11.22.33.44", externalPort: request.externalPort, lifetimeSeconds: 7_200, ...other };
  }

  client(): GatewayClient {
    return {
      protocol: this.protocol,
      gateway: this.address,
      localAddress: this.localAddress,
      map: async (request) => {
        const grant = await this.answer(request);
        this.open.set(`${request.protocol}:${grant.externalPort}`, request);
        return grant;
      },
      unmap: async (request) => {
        await this.unmapAnswer();
        this.open.delete(`${request.protocol}:${request.externalPort}`);
      },
    };
  }
}

function listener(port: number | null, protocol: "tcp" | "udp", schemes: readonly string[]): Listener {
  return { port, addresses: () => [], close: async () => undefined, mappable: { protocol, schemes } };
}

const LISTENERS = [listener(8080, "tcp", ["tcp", "ws"]), listener(9090, "udp", [])];

class World {
  readonly clock = new VirtualClock();
  readonly gateways: Gateway[];
  local: string[] = ["127.0.0.1", "192.168.1.2"];
  changes = 0;
  watchers = new Set<() => void>();
  readonly mapper: PortMapper;

  constructor(gateways: Gateway[], { host, listeners = LISTENERS }: { host?: string; listeners?: readonly Listener[] } = {}) {
    this.gateways = gateways;
    const way: GatewayWay = {
      name: "fake",
      open: async ({ gateway }, signal) => {
        const found = this.gateways.find(({ address }) => address === gateway) as Gateway;
        found.asked.push(this.clock.now());
        await found.opens(signal);
        return found.client();
      },
    };
    const tools = {
      clock: this.clock,
      ways: [way],
      gateways: async () => this.gateways.map(({ address }) => address),
      localAddresses: () => this.local,
      onNetworkChange: (callback: () => void) => {
        this.watchers.add(callback);
        return () => this.watchers.delete(callback);
      },
    };
    this.mapper = new PortMapper(tools, { listeners, host, onChange: () => this.changes++ });
    worlds.push(this);
  }

  networkChanges(): void {
    for (const watcher of this.watchers) watcher();
  }

  /** Lets promises and everything due within `ms` run. */
  async pass(ms = 0): Promise<void> {
    await turns();
    for (let left = ms; left > 0; left -= MINUTE / 2) {
      this.clock.advance(Math.min(left, MINUTE / 2));
      await turns();
    }
  }
}

const worlds: World[] = [];
afterEach(async () => {
  for (const { mapper, clock } of worlds.splice(0)) {
    const closing = mapper.close();
    await turns();
    clock.advance(1_000);
    await closing;
  }
});

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("asking", () => {
  test("opens each port, tells where it leads in, and says so once", async () => {
    const world = new World([new Gateway()]);
    expect(world.mapper.status).toEqual({ state: "asking", protocol: null, gateway: null, ports: [], problem: null });
    expect(world.mapper.addresses()).toEqual([]);
    await world.pass();
    expect(world.mapper.addresses()).toEqual(["tcp://11.22.33.44:8080", "ws://11.22.33.44:8080"]);
    expect(world.mapper.udpEndpoints(9090)).toEqual([{ host: "11.22.33.44", port: 9090 }]);
    expect(world.mapper.udpEndpoints(8080)).toEqual([]);
    expect(world.mapper.status).toEqual({
      state: "mapped",
      protocol: "pcp",
      gateway: "192.168.1.1",
      ports: [
        { protocol: "tcp", internalPort: 8080, externalAddress: "11.22.33.44", externalPort: 8080 },
        { protocol: "udp", internalPort: 9090, externalAddress: "11.22.33.44", externalPort: 9090 },
      ],
      problem: null,
    });
    expect(world.changes).toBe(1);
  });

  test("renews in time, quietly, and under the number that it has got", async () => {
    const gateway = new Gateway();
    gateway.answer = (request) => gateway.grant(request, request.protocol === "tcp" ? { externalPort: 8081 } : {});
    const world = new World([gateway]);
    await world.pass();
    gateway.answer = (request) => gateway.grant(request);
    await world.pass(60 * MINUTE);
    expect(gateway.asked).toEqual([0, 20 * MINUTE, 40 * MINUTE, 60 * MINUTE]);
    expect(world.mapper.addresses()[0]).toBe("tcp://11.22.33.44:8081");
    expect(world.changes).toBe(1);
  });

  test("renews at half of the time that it is given, and not more often than every 30 s", async () => {
    const gateway = new Gateway();
    gateway.answer = (request) => gateway.grant(request, { lifetimeSeconds: 240 });
    const world = new World([gateway]);
    await world.pass(4 * MINUTE);
    expect(gateway.asked).toEqual([0, 2 * MINUTE, 4 * MINUTE]);
    gateway.answer = (request) => gateway.grant(request, { lifetimeSeconds: 1 });
    await world.pass(3 * MINUTE);
    expect(gateway.asked.slice(3)).toEqual([6 * MINUTE, 6.5 * MINUTE, 7 * MINUTE]);
  });

  test("notices when the outside address has become another", async () => {
    const gateway = new Gateway();
    const world = new World([gateway]);
    await world.pass();
    gateway.answer = (request) => gateway.grant(request, { externalAddress: "55.66.77.88" });
    await world.pass(20 * MINUTE);
    expect(world.mapper.addresses()[0]).toBe("tcp://55.66.77.88:8080");
    expect(world.changes).toBe(2);
  });

  test("tries a gateway that refuses again, more and more seldom", async () => {
    const gateway = new Gateway();
    gateway.opens = async () => Promise.reject(new GatewayError("not authorised"));
    const world = new World([gateway]);
    await world.pass(100 * MINUTE);
    expect(gateway.asked.map((at) => at / MINUTE)).toEqual([0, 1, 3, 7, 15, 31, 51, 71, 91]);
    expect(world.mapper.status).toMatchObject({ state: "failed", ports: [], problem: "fake: not authorised" });
    expect(world.changes).toBe(0);
    gateway.opens = async () => undefined;
    await world.pass(20 * MINUTE);
    expect(world.mapper.status).toMatchObject({ state: "mapped", problem: null });
  });

  test("takes one port where the other is refused, and says why", async () => {
    const gateway = new Gateway();
    gateway.answer = (request) =>
      request.protocol === "udp" ? Promise.reject(new GatewayError("quota")) : gateway.grant(request);
    const world = new World([gateway]);
    await world.pass();
    expect(world.mapper.status).toMatchObject({ state: "mapped", problem: "not every port: quota" });
    expect(world.mapper.addresses().length).toBe(2);
  });

  test("goes on to the next gateway, and tells when there is none", async () => {
    const first = new Gateway("10.0.0.1");
    first.opens = async () => Promise.reject(new GatewayError("no answer"));
    const second = new Gateway();
    const world = new World([first, second]);
    await world.pass();
    expect(world.mapper.status).toMatchObject({ state: "mapped", gateway: "192.168.1.1" });
    const lonely = new World([]);
    await lonely.pass();
    expect(lonely.mapper.status).toMatchObject({ state: "failed", problem: "this machine has no IPv4 gateway" });
  });

  test.each([["127.0.0.1"], ["::1"], ["localhost"], ["2001:db8::1"]])("asks nothing for what listens at %s", async (host) => {
    const gateway = new Gateway();
    const world = new World([gateway], { host });
    await world.pass(60 * MINUTE);
    expect(gateway.asked).toEqual([]);
    expect(world.mapper.status.problem).toContain(host);
  });

  test("asks nothing where no port is open", async () => {
    const gateway = new Gateway();
    const silent: Listener = { port: 5, addresses: () => [], close: async () => undefined };
    const world = new World([gateway], { listeners: [listener(null, "udp", []), silent] });
    await world.pass(60 * MINUTE);
    expect(gateway.asked).toEqual([]);
    expect(world.mapper.status).toMatchObject({ state: "failed", problem: "no port is open here" });
  });
});

describe("a gateway that lies", () => {
  test.each<Partial<PortGrant>>([
    { externalAddress: "0.0.0.0" },
    { externalAddress: "127.0.0.1" },
    { externalAddress: "224.0.0.1" },
    { externalAddress: "255.255.255.255" },
    { externalAddress: "169.254.1.1" },
    { externalAddress: "192.168.1.1" },
    { externalAddress: "100.64.0.9" },
    { externalAddress: "::1" },
    { externalAddress: "example.org" },
    { externalPort: 0 },
    { externalPort: 22 },
    { externalPort: 70_000 },
  ])("is not believed when it grants %o, and is told to close it again", async (lie) => {
    const gateway = new Gateway();
    gateway.answer = (request) => gateway.grant(request, lie);
    const world = new World([gateway]);
    await world.pass();
    expect(world.mapper.addresses()).toEqual([]);
    expect(world.mapper.udpEndpoints(9090)).toEqual([]);
    expect(world.mapper.status.state).toBe("failed");
    expect(gateway.open.size).toBe(0);
    expect(world.changes).toBe(0);
  });
});

describe("time and change", () => {
  test("what was granted is told until its end when nobody answers any more, and no longer", async () => {
    const gateway = new Gateway();
    const world = new World([gateway]);
    await world.pass();
    gateway.opens = async () => Promise.reject(new GatewayError("no answer"));
    await world.pass(119 * MINUTE);
    expect(world.mapper.addresses().length).toBe(2);
    expect(world.mapper.status).toMatchObject({ state: "mapped", problem: "fake: no answer" });
    await world.pass(1 * MINUTE);
    expect(world.mapper.addresses()).toEqual([]);
    await world.pass(20 * MINUTE);
    expect(world.mapper.status.state).toBe("failed");
    expect(world.changes).toBe(2);
  });

  test("a change of the network asks at once", async () => {
    const gateway = new Gateway();
    const world = new World([gateway]);
    await world.pass(MINUTE);
    world.networkChanges();
    await world.pass();
    expect(gateway.asked).toEqual([0, MINUTE]);
    expect(world.changes).toBe(1);
    // The time until the next renewal begins anew.
    await world.pass(20 * MINUTE);
    expect(gateway.asked).toEqual([0, MINUTE, 21 * MINUTE]);
  });

  test("a change of the network while a gateway is asked asks once more afterwards", async () => {
    const gateway = new Gateway();
    let go = (): void => undefined;
    gateway.opens = () => new Promise((resolve) => (go = resolve));
    const world = new World([gateway]);
    await world.pass();
    world.networkChanges();
    world.networkChanges();
    gateway.opens = async () => undefined;
    go();
    await world.pass();
    expect(gateway.asked.length).toBe(2);
  });

  test("on another network the old outside address goes at once, before the new gateway answers", async () => {
    const world = new World([new Gateway()]);
    await world.pass();
    const mobile = new Gateway("10.9.0.1");
    mobile.localAddress = "10.9.0.7";
    mobile.opens = () => new Promise(() => undefined);
    world.gateways.splice(0, 1, mobile);
    world.local = ["127.0.0.1", "10.9.0.7"];
    world.networkChanges();
    await world.pass();
    expect(world.mapper.addresses()).toEqual([]);
    expect(world.mapper.status).toMatchObject({ state: "asking", ports: [] });
    expect(world.changes).toBe(2);
  });

  test("with UPnP, what led to an old address of ours is closed, and so is a port that was changed", async () => {
    const gateway = new Gateway();
    gateway.protocol = "upnp";
    const world = new World([gateway]);
    await world.pass();
    gateway.answer = (request) => gateway.grant(request, { externalPort: request.externalPort + 1 });
    await world.pass(20 * MINUTE);
    expect([...gateway.open.keys()]).toEqual(["tcp:8081", "udp:9091"]);
    gateway.answer = (request) => gateway.grant(request);
    // Closing takes its time, and must not close what is opened anew.
    gateway.unmapAnswer = () => turns();
    gateway.localAddress = "192.168.1.3";
    world.local = ["127.0.0.1", "192.168.1.3"];
    world.networkChanges();
    await world.pass();
    await world.pass();
    expect([...gateway.open.keys()]).toEqual(["tcp:8080", "udp:9090"]);
  });
});

describe("closing", () => {
  test("takes everything back, tells nobody, and asks no more", async () => {
    const gateway = new Gateway();
    const world = new World([gateway]);
    await world.pass();
    await world.mapper.close();
    expect(gateway.open.size).toBe(0);
    expect(world.mapper.addresses()).toEqual([]);
    expect(world.mapper.status.state).toBe("closed");
    expect([world.changes, world.watchers.size]).toEqual([1, 0]);
    world.networkChanges();
    await world.pass(300 * MINUTE);
    expect(gateway.asked).toEqual([0]);
  });

  test("takes a second at most, whatever the gateway does", async () => {
    const gateway = new Gateway();
    const world = new World([gateway]);
    await world.pass();
    gateway.unmapAnswer = () => new Promise(() => undefined);
    let closed = false;
    const closing = world.mapper.close().then(() => {
      closed = true;
    });
    await turns();
    world.clock.advance(999);
    await turns();
    expect(closed).toBe(false);
    world.clock.advance(1);
    await closing;
    expect(world.mapper.addresses()).toEqual([]);
  });

  test("goes well where the gateway refuses, and where it was never asked", async () => {
    const gateway = new Gateway();
    const world = new World([gateway]);
    await world.pass();
    gateway.unmapAnswer = () => Promise.reject(new GatewayError("no"));
    await world.mapper.close();
    await new World([gateway], { host: "127.0.0.1" }).mapper.close();
  });

  test("ends a search at once", async () => {
    const gateway = new Gateway();
    gateway.opens = (signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    const world = new World([gateway]);
    await world.pass();
    await world.mapper.close();
    expect(world.clock.now()).toBe(0);
  });

  test("waits for a port that is being opened, and closes it", async () => {
    const gateway = new Gateway();
    let go = (): void => undefined;
    const opened = new Promise<void>((resolve) => (go = resolve));
    gateway.answer = async (request) => opened.then(() => gateway.grant(request));
    const world = new World([gateway]);
    await world.pass();
    const closing = world.mapper.close();
    await turns();
    go();
    await closing;
    await turns();
    expect(gateway.open.size).toBe(0);
    expect([world.changes, world.mapper.status.state]).toEqual([0, "closed"]);
  });
});
