// The simulated internet does what its NATs' names say: everything that is shown on it hangs on this.

import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/nat/datagram-port.js";
import { type Fate, SimInternet, type SimPort } from "../sim/internet.js";
import { NAT_KINDS, type NatKind } from "../sim/nat-model.js";

const HELLO = Uint8Array.of(1, 2, 3);

/** What a port got so far: the sender of each datagram. */
function listen(port: SimPort): Endpoint[] {
  const senders: Endpoint[] = [];
  port.subscribe((_datagram, from) => senders.push(from));
  return senders;
}

/** Two public machines, with two ports on the first, and one machine behind a NAT. */
function scene(behind: NatKind, options: ConstructorParameters<typeof SimInternet>[0] = {}) {
  const net = new SimInternet(options);
  const near = net.host();
  const far = net.host();
  const client = net.host(behind);
  const server = near.open(1000);
  const sameHost = near.open(1001);
  const otherHost = far.open(1000);
  const at = {
    server: { host: near.address, port: 1000 },
    sameHost: { host: near.address, port: 1001 },
    otherHost: { host: far.address, port: 1000 },
  };
  const port = client.open(5000);
  const seen = { server: listen(server), sameHost: listen(sameHost), otherHost: listen(otherHost), client: listen(port) };
  const fates: Fate[] = [];
  net.watch(({ fate }) => fates.push(fate));
  return { net, client, port, server, sameHost, otherHost, at, seen, fates };
}

type Scene = ReturnType<typeof scene>;

/** The source of the first datagram to each of three destinations. */
function mappedPorts({ net, port, at, seen }: Scene): (number | undefined)[] {
  port.send(HELLO, at.server);
  port.send(HELLO, at.sameHost);
  port.send(HELLO, at.otherHost);
  net.clock.advance(100);
  return [seen.server, seen.sameHost, seen.otherHost].map(([from]) => from?.port);
}

/** Who of the three reaches the client's mapping towards the first. */
function admitted({ net, port, server, sameHost, otherHost, at, seen }: Scene): string[] {
  port.send(HELLO, at.server);
  net.clock.advance(100);
  const mapped = seen.server[0];
  if (!mapped) return [];
  for (const sender of [server, sameHost, otherHost]) sender.send(HELLO, mapped);
  net.clock.advance(100);
  return Object.entries(at)
    .filter(([, { host, port }]) => seen.client.some((from) => from.host === host && from.port === port))
    .map(([name]) => name);
}

describe("presets", () => {
  const expected: Record<NatKind, { mapping: "one" | "each" | "none"; admits: string[] }> = {
    none: { mapping: "one", admits: ["server", "sameHost", "otherHost"] },
    full: { mapping: "one", admits: ["server", "sameHost", "otherHost"] },
    address: { mapping: "one", admits: ["server", "sameHost"] },
    port: { mapping: "one", admits: ["server"] },
    sequential: { mapping: "each", admits: ["server"] },
    random: { mapping: "each", admits: ["server"] },
    "udp-blocked": { mapping: "none", admits: [] },
  };

  test.each(NAT_KINDS)("%s maps and filters as its name says", (kind) => {
    const ports = mappedPorts(scene(kind));
    const { mapping, admits } = expected[kind];
    if (mapping === "none") expect(ports).toEqual([undefined, undefined, undefined]);
    else if (mapping === "one") expect(ports).toEqual([5000, 5000, 5000]);
    else expect(new Set([5000, ...ports]).size).toBe(4);
    expect(admitted(scene(kind))).toEqual(admits);
  });

  test("sequential ports follow each other, by the step; random ones do not, and repeat with their seed", () => {
    const [a, b, c] = mappedPorts(scene("sequential")) as [number, number, number];
    expect([b - a, c - b]).toEqual([1, 1]);
    const random = (seed: number) => mappedPorts(scene("random", { seed }));
    expect(random(1)).toEqual(random(1));
    expect(random(1)).not.toEqual(random(2));
    const [d, e, f] = random(1) as [number, number, number];
    expect(Math.abs(e - d) + Math.abs(f - e)).toBeGreaterThan(100);
  });

  test("the source that others see is the NAT's outside address, and without a NAT the machine's own", () => {
    for (const kind of ["none", "port", "random"] as const) {
      const { net, client, port, at, seen } = scene(kind);
      port.send(HELLO, at.server);
      net.clock.advance(100);
      expect(seen.server[0]?.host).toBe(client.nat ? client.nat.publicAddress : client.address);
    }
  });

  test("UDP that is blocked passes in neither direction", () => {
    const { net, port, server, at, seen, fates, client } = scene("udp-blocked");
    port.send(HELLO, at.server);
    server.send(HELLO, { host: client.nat!.publicAddress, port: 5000 });
    net.clock.advance(1000);
    expect(fates).toEqual(["sent", "blocked", "sent", "filtered"]);
    expect(seen).toMatchObject({ server: [], client: [] });
  });
});

describe("rules", () => {
  /** As masquerading maps: it looks independent of the endpoint for as long as nobody else uses the port. */
  const LINUX = { mapping: "address-and-port-dependent", overloading: true } as const;

  /** A machine behind a NAT of own rules, and two public ones. */
  function custom(kind: Exclude<NatKind, "none">, changes: Parameters<SimInternet["nat"]>[1]) {
    const net = new SimInternet();
    const nat = net.nat(kind, changes);
    const client = net.host(nat);
    const [a, b] = [net.host(), net.host()];
    const [portA, portB] = [a.open(1000), b.open(1000)];
    const [atA, atB] = [
      { host: a.address, port: 1000 },
      { host: b.address, port: 1000 },
    ];
    return { net, nat, client, portA, portB, seenA: listen(portA), seenB: listen(portB), atA, atB };
  }

  test("an address-dependent mapping is the same for all ports of one machine", () => {
    const { net, client, seenA, seenB, atA, atB } = custom("sequential", { mapping: "address-dependent", step: 2 });
    const port = client.open();
    port.send(HELLO, atA);
    port.send(HELLO, { ...atA, port: 7 });
    port.send(HELLO, atB);
    port.send(HELLO, atA);
    net.clock.advance(100);
    expect(seenA[0]).toEqual(seenA[1]);
    expect(seenB[0]!.port - seenA[0]!.port).toBe(2);
  });

  test("two machines inside with one inside port get two outside ports, unless the NAT overloads", () => {
    for (const overloading of [false, true]) {
      const { net, nat, client, portA, seenA, seenB, atA, atB } = custom("port", { ...LINUX, overloading });
      const second = net.host(nat).open(5000);
      const first = client.open(5000);
      const seen = listen(first);
      first.send(HELLO, atA);
      second.send(HELLO, atB);
      second.send(HELLO, atA);
      net.clock.advance(100);
      const shared = [5000, 5000, 5001];
      expect([seenA[0]!.port, seenB[0]!.port, seenA[1]!.port]).toEqual(overloading ? shared : [5000, 5001, 5002]);
      portA.send(HELLO, seenA[0] as Endpoint);
      net.clock.advance(100);
      expect(seen).toEqual([atA]);
    }
  });

  test("a mapping ends after its lifetime without outbound datagrams, and the next one gets another port", () => {
    for (const refresh of ["outbound", "both"] as const) {
      const { net, client, portA, seenA, atA } = custom("sequential", { lifetimeMs: 30_000, refresh });
      const port = client.open();
      const seen = listen(port);
      port.send(HELLO, atA);
      net.clock.advance(29_000);
      const mapped = seenA[0] as Endpoint;
      portA.send(HELLO, mapped);
      net.clock.advance(20_000);
      expect(seen).toHaveLength(1);
      portA.send(HELLO, mapped);
      net.clock.advance(1_000);
      expect(seen).toHaveLength(refresh === "both" ? 2 : 1);
      port.send(HELLO, atA);
      net.clock.advance(29_900);
      port.send(HELLO, atA);
      net.clock.advance(29_900);
      portA.send(HELLO, seenA.at(-1) as Endpoint);
      net.clock.advance(100);
      expect(seen).toHaveLength(refresh === "both" ? 3 : 2);
      expect(seenA[2]).toEqual(seenA[1]);
      expect(seenA[1]!.port - mapped.port).toBe(refresh === "both" ? 0 : 1);
    }
  });

  test("the port of a mapping that ended is free for others", () => {
    const { net, nat, client, seenA, atA } = custom("port", { lifetimeMs: 30_000 });
    client.open(5000).send(HELLO, atA);
    net.clock.advance(30_000);
    expect(nat.ports).toEqual([]);
    net.host(nat).open(5000).send(HELLO, atA);
    net.clock.advance(100);
    expect(seenA.map(({ port }) => port)).toEqual([5000, 5000]);
    expect(nat.ports).toEqual([5000]);
  });

  test("after the last port comes the first above the well-known ones", () => {
    const { net, nat, client, seenA, atA } = custom("sequential", { step: 30_000 });
    const port = client.open();
    port.send(HELLO, atA);
    for (let i = 0; i < 5; i++) {
      nat.forget();
      port.send(HELLO, atA);
    }
    net.clock.advance(100);
    const ports = seenA.map(({ port }) => port);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(1024);
    expect(Math.max(...ports)).toBeLessThanOrEqual(65_535);
    expect(new Set(ports).size).toBe(6);
  });

  test("each remote that is let in is forgotten by itself", () => {
    const { net, client, portA, portB, seenA, atA, atB } = custom("port", { lifetimeMs: 30_000 });
    const port = client.open();
    const seen = listen(port);
    port.send(HELLO, atA);
    net.clock.advance(20_000);
    port.send(HELLO, atB);
    net.clock.advance(15_000);
    portA.send(HELLO, seenA[0] as Endpoint);
    portB.send(HELLO, seenA[0] as Endpoint);
    net.clock.advance(100);
    expect(seen).toEqual([atB]);
  });

  test("a NAT that forgets lets nobody in until the machine inside sends again", () => {
    const { net, nat, client, portA, seenA, atA } = custom("full", {});
    const port = client.open();
    const seen = listen(port);
    port.send(HELLO, atA);
    net.clock.advance(100);
    expect(nat.ports).toEqual([port.port]);
    nat.forget();
    expect(nat.ports).toEqual([]);
    portA.send(HELLO, seenA[0] as Endpoint);
    net.clock.advance(100);
    expect(seen).toEqual([]);
    port.send(HELLO, atA);
    net.clock.advance(100);
    portA.send(HELLO, seenA[1] as Endpoint);
    net.clock.advance(100);
    expect(seen).toEqual([atA]);
  });

  test("a NAT that roams has another address, and nothing reaches the old one, not even what was on its way", () => {
    const { net, nat, client, portA, seenA, atA } = custom("full", {});
    const port = client.open();
    const seen = listen(port);
    const fates: Fate[] = [];
    port.send(HELLO, atA);
    net.clock.advance(100);
    net.watch(({ fate }) => fates.push(fate));
    portA.send(HELLO, seenA[0] as Endpoint);
    net.clock.advance(5);
    nat.roam("198.51.100.200");
    net.clock.advance(100);
    expect(fates).toEqual(["sent", "unroutable"]);
    portA.send(HELLO, { host: "198.51.100.200", port: port.port });
    net.clock.advance(100);
    expect(fates.slice(2)).toEqual(["sent", "filtered"]);
    port.send(HELLO, atA);
    net.clock.advance(100);
    expect(seenA[1]).toEqual({ host: "198.51.100.200", port: port.port });
    portA.send(HELLO, seenA[1] as Endpoint);
    net.clock.advance(100);
    expect(seen).toEqual([atA]);
  });

  test("a machine that moves into another network keeps its ports", () => {
    const { net, client, seenA, atA } = custom("port", {});
    const port = client.open(5000);
    port.send(HELLO, atA);
    client.move(net.nat("port"), "10.1.2.3");
    port.send(HELLO, atA);
    net.clock.advance(100);
    expect(seenA.map(({ host }) => host)).toEqual(["198.51.100.1", "198.51.100.2"]);
  });

  test("other machines behind a sequential NAT move its ports on", () => {
    const { net, nat, client, seenA, seenB, atA, atB } = custom("sequential", {});
    const port = client.open();
    port.send(HELLO, atA);
    nat.crowd(3);
    port.send(HELLO, atB);
    net.clock.advance(100);
    expect(seenB[0]!.port - seenA[0]!.port).toBe(4);
  });

  test("a stray is dropped without a word; a NAT that keeps strays gives the port away towards their sender", () => {
    for (const strays of ["dropped", "kept"] as const) {
      const { net, nat, client, portA, seenA, seenB, atA, atB } = custom("port", { ...LINUX, strays });
      const seen = listen(portA);
      portA.send(HELLO, { host: nat.publicAddress, port: 5000 });
      net.clock.advance(100);
      const port = client.open(5000);
      port.send(HELLO, atB);
      port.send(HELLO, atA);
      net.clock.advance(100);
      expect([seenB[0]!.port, seenA[0]!.port]).toEqual([5000, strays === "kept" ? 5001 : 5000]);
      expect(seen).toHaveLength(1);
    }
  });
});

describe("one network", () => {
  test("machines behind one NAT reach each other inside, at once and by no router", () => {
    const net = new SimInternet();
    const nat = net.nat("port");
    const [a, b] = [net.host(nat), net.host(nat)];
    const port = b.open(2000);
    const seen = listen(port);
    const sender = a.open(3000);
    sender.send(HELLO, { host: b.address, port: 2000 }, 1);
    net.clock.advance(1);
    expect(seen).toEqual([{ host: a.address, port: 3000 }]);
    expect(nat.ports).toEqual([]);
    expect(net.traffic(b.address).sent).toBe(0);
  });

  test("an inside address means nothing in another network", () => {
    const net = new SimInternet();
    const [a, b] = [net.host(net.nat("full"), ["192.168.1.2"]), net.host(net.nat("full"), ["192.168.1.2"])];
    const seen = [listen(a.open(2000)), listen(b.open(2000))];
    a.open(3000).send(HELLO, { host: "192.168.1.2", port: 2000 });
    net.host().open().send(HELLO, { host: "192.168.1.2", port: 2000 });
    net.clock.advance(100);
    expect(seen).toEqual([[{ host: "192.168.1.2", port: 3000 }], []]);
  });

  test("they reach each other by the outside address only where the NAT hairpins, and then see outside sources", () => {
    for (const hairpin of [false, true]) {
      const net = new SimInternet();
      const nat = net.nat("port", { hairpin });
      const [a, b] = [net.host(nat), net.host(nat)];
      const [portA, portB] = [a.open(3000), b.open(2000)];
      const seen = [listen(portA), listen(portB)];
      const outside = (port: number): Endpoint => ({ host: nat.publicAddress, port });
      portB.send(HELLO, outside(3000));
      net.clock.advance(100);
      portA.send(HELLO, outside(2000));
      net.clock.advance(100);
      portB.send(HELLO, outside(3000));
      net.clock.advance(100);
      // The first one found nothing: hairpinning keeps the filter.
      expect(seen).toEqual(hairpin ? [[outside(2000)], [outside(3000)]] : [[], []]);
    }
  });
});

describe("TTL", () => {
  test("a low one opens the own NAT and dies before the other's", () => {
    const net = new SimInternet();
    const [a, b] = [net.host("port"), net.host("port")];
    const [portA, portB] = [a.open(1111), b.open(2222)];
    const [seenA, seenB] = [listen(portA), listen(portB)];
    const fates: Fate[] = [];
    net.watch(({ fate }) => fates.push(fate));
    portA.send(HELLO, { host: b.nat!.publicAddress, port: 2222 }, 2);
    net.clock.advance(100);
    expect(fates).toEqual(["sent", "expired"]);
    expect(net.traffic(b.nat!.publicAddress)).toEqual({ sent: 1, arrived: 0, arrivedBytes: 0 });
    expect(a.nat!.ports).toEqual([1111]);
    portB.send(HELLO, { host: a.nat!.publicAddress, port: 1111 });
    net.clock.advance(100);
    expect(seenA).toEqual([{ host: b.nat!.publicAddress, port: 2222 }]);
    expect(seenB).toEqual([]);
  });

  test("each router takes one: the own NAT, the core, the other's NAT", () => {
    const net = new SimInternet({ coreHops: 3 });
    const [a, b] = [net.host("full"), net.host(net.nat("full", { hops: 2 }))];
    const [portA, portB] = [a.open(1111), b.open(2222)];
    const seenB = listen(portB);
    portB.send(HELLO, { host: a.nat!.publicAddress, port: 1 });
    net.clock.advance(100);
    const arrived: number[] = [];
    const delivered: number[] = [];
    for (let ttl = 1; ttl <= 8; ttl++) {
      const before = net.traffic(b.nat!.publicAddress).arrived;
      portA.send(HELLO, { host: b.nat!.publicAddress, port: 2222 }, ttl);
      net.clock.advance(100);
      if (net.traffic(b.nat!.publicAddress).arrived > before) arrived.push(ttl);
      if (seenB.length > delivered.length) delivered.push(ttl);
      if (ttl === 1) expect(a.nat!.ports).toEqual([]);
    }
    expect(arrived).toEqual([5, 6, 7, 8]);
    expect(delivered).toEqual([7, 8]);
    const fates: Fate[] = [];
    net.watch(({ fate }) => fates.push(fate));
    for (const ttl of [5, 6, 7]) portB.send(HELLO, { host: a.nat!.publicAddress, port: 1111 }, ttl);
    net.clock.advance(100);
    expect(fates.sort()).toEqual(["delivered", "expired", "expired", "sent", "sent", "sent"]);
  });
});

describe("the core", () => {
  /** Sends `count` numbered datagrams, one per ms, and gives back their numbers and times as they arrive. */
  function stream(count: number, options: ConstructorParameters<typeof SimInternet>[0]) {
    const net = new SimInternet(options);
    const [a, b] = [net.host("port"), net.host()];
    const got: { number: number; after: number }[] = [];
    b.open(9).subscribe((datagram) => {
      const number = new DataView(datagram.buffer, datagram.byteOffset).getUint16(0);
      got.push({ number, after: net.clock.now() - number });
    });
    const port = a.open();
    for (let i = 0; i < count; i++) {
      net.clock.after(i, () => port.send(Uint8Array.of(i >> 8, i), { host: b.address, port: 9 }));
    }
    net.clock.advance(count + 1000);
    return { net, got, numbers: got.map(({ number }) => number), to: b.address };
  }
  const inOrder = Array.from({ length: 2000 }, (_, i) => i);

  test("is perfect unless told otherwise", () => {
    const { got, numbers } = stream(2000, { delayMs: 30 });
    expect(numbers).toEqual(inOrder);
    expect(new Set(got.map(({ after }) => after))).toEqual(new Set([30]));
  });

  test("jitter spreads the delay and keeps the order", () => {
    const { got, numbers } = stream(2000, { delayMs: 30, jitterMs: 40 });
    expect(numbers).toEqual(inOrder);
    expect(Math.min(...got.map(({ after }) => after))).toBeGreaterThanOrEqual(30);
    expect(Math.max(...got.map(({ after }) => after))).toBeGreaterThan(60);
    expect(Math.max(...got.map(({ after }) => after))).toBeLessThanOrEqual(70);
  });

  test("loses the share that it was told, the same with the same seed, half of it before the sender's NAT", () => {
    const { net, numbers, to } = stream(2000, { loss: 0.2, seed: 5 });
    expect(numbers.length).toBeGreaterThan(1540);
    expect(numbers.length).toBeLessThan(1660);
    expect(net.traffic(to).sent).toBeGreaterThan(1750);
    expect(net.traffic(to).sent).toBeLessThan(1850);
    expect(stream(2000, { loss: 0.2, seed: 5 }).numbers).toEqual(numbers);
    expect(stream(2000, { loss: 0.2, seed: 6 }).numbers).not.toEqual(numbers);
    expect(stream(100, { loss: 1 }).numbers).toEqual([]);
  });

  test("copies and reorders the shares that it was told", () => {
    const copied = stream(2000, { duplicate: 0.1 }).numbers;
    expect(new Set(copied).size).toBe(2000);
    expect(copied.length).toBeGreaterThan(2140);
    expect(copied.length).toBeLessThan(2260);
    const reordered = stream(2000, { reorder: 0.1 }).numbers;
    expect(reordered).not.toEqual(inOrder);
    expect([...reordered].sort((a, b) => a - b)).toEqual(inOrder);
    const overtaken = reordered.filter((number, i) => i > 0 && number < Math.max(...reordered.slice(Math.max(0, i - 60), i)));
    expect(overtaken.length).toBeGreaterThan(140);
    expect(overtaken.length).toBeLessThan(260);
  });

  test("its conditions may change while it runs", () => {
    const { net, client, port, at, seen } = scene("none");
    port.send(HELLO, at.server);
    net.conditions.loss = 1;
    port.send(HELLO, at.server);
    net.conditions.loss = 0;
    port.send(HELLO, at.server);
    net.clock.advance(100);
    expect(seen.server).toHaveLength(2);
    expect(client.openPorts).toBe(1);
  });

  test("counts what each destination was made to bear", () => {
    const { net, port, at } = scene("port");
    for (let i = 0; i < 5; i++) port.send(HELLO, at.server);
    port.send(HELLO, at.sameHost, 2);
    port.send(HELLO, { host: "192.0.2.99", port: 9 });
    net.clock.advance(100);
    expect(net.traffic(at.server.host, 1000)).toEqual({ sent: 5, arrived: 5, arrivedBytes: 15 });
    expect(net.traffic(at.server.host)).toEqual({ sent: 6, arrived: 5, arrivedBytes: 15 });
    expect(net.traffic("192.0.2.99")).toEqual({ sent: 1, arrived: 0, arrivedBytes: 0 });
    expect(net.traffic("192.0.2.98").sent).toBe(0);
  });
});

describe("ports", () => {
  test("hundreds may be open on one machine, all different, each with an outside port of its own", () => {
    for (const kind of ["port", "random"] as const) {
      const net = new SimInternet();
      const client = net.host(kind);
      const server = net.host();
      const seen = listen(server.open(1000));
      const ports = Array.from({ length: 256 }, () => client.open());
      for (const port of ports) port.send(HELLO, { host: server.address, port: 1000 });
      net.clock.advance(100);
      expect(new Set(ports.map(({ port }) => port)).size).toBe(256);
      expect(new Set(seen.map(({ port }) => port)).size).toBe(256);
      for (const port of ports) port.close();
      expect(client.openPorts).toBe(0);
    }
  });

  test("every subscriber gets the bytes as they were when they were sent, and only for the time of the call", () => {
    const { net, port, server, at } = scene("none");
    const kept: Uint8Array[] = [];
    const read: number[][] = [];
    for (let i = 0; i < 2; i++) {
      server.subscribe((datagram) => {
        kept.push(datagram);
        read.push([...datagram]);
      });
    }
    const bytes = Uint8Array.of(7, 8);
    port.send(bytes, at.server);
    bytes.fill(0);
    net.clock.advance(100);
    expect(read).toEqual([
      [7, 8],
      [7, 8],
    ]);
    expect(kept[0]).not.toEqual(Uint8Array.of(7, 8));
  });

  test("one that is closed neither sends nor receives, twice too, and a subscriber that leaves hears no more", () => {
    const { net, client, port, server, at, seen, fates } = scene("none");
    const got: Endpoint[] = [];
    const leave = server.subscribe((_datagram, from) => got.push(from));
    port.send(HELLO, at.server);
    net.clock.advance(100);
    leave();
    port.send(HELLO, at.server);
    net.clock.advance(100);
    expect([got.length, seen.server.length]).toEqual([1, 2]);
    const late: Endpoint[] = [];
    server.subscribe(() => leaveLate());
    const leaveLate = server.subscribe((_datagram, from) => late.push(from));
    port.send(HELLO, at.server);
    net.clock.advance(100);
    expect(late).toEqual([]);
    server.send(HELLO, { host: client.address, port: 5000 });
    port.close();
    port.close();
    port.send(HELLO, at.server);
    net.clock.advance(100);
    expect(seen.client).toEqual([]);
    expect(fates.slice(-2)).toEqual(["sent", "closed"]);
    client.open(5000).close();
    client.open(5000);
    expect(() => client.open(5000)).toThrow("open already");
  });

  test("what cannot be sent is dropped without a word", () => {
    const { port, at, fates } = scene("none");
    for (const to of [0, -1, 65_536, 1.5, Number.NaN]) port.send(HELLO, { host: at.server.host, port: to });
    port.send(HELLO, at.server, 0);
    expect(fates).toEqual([]);
    port.send(HELLO, { host: "no address", port: 1 });
    expect(fates).toEqual(["sent"]);
  });

  test("a machine with two addresses answers from the one that it is told", () => {
    const net = new SimInternet();
    const server = net.host("none", ["192.0.2.1", "192.0.2.2"]);
    const client = net.host().open();
    const seen = listen(client);
    const port = server.open(3478);
    port.subscribe((_datagram, from, at) => port.send(HELLO, from, undefined, at));
    for (const host of server.addresses) client.send(HELLO, { host, port: 3478 });
    net.clock.advance(100);
    expect(seen.map(({ host }) => host)).toEqual(["192.0.2.1", "192.0.2.2"]);
  });
});
