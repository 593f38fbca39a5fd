// The three protocols against gateways on loopback, over real sockets: what they open, what they refuse, and how they lie.

import { describe, expect, test } from "vitest";
import type { Clock } from "../../../src/core/runtime.js";
import { nodeClock } from "../../../src/node/clock.js";
import { GatewayError, type PortRequest } from "../../../src/node/gateway/gateway-client.js";
import { openNatPmp, openPcp } from "../../../src/node/gateway/pmp-client.js";
import { openUpnp } from "../../../src/node/gateway/upnp-client.js";
import { FakePmpGateway, FakeUpnpGateway, type UpnpBehaviour } from "./fake-gateways.js";

const GATEWAY = "127.0.0.1";
const NONCE = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
const TCP: PortRequest = { protocol: "tcp", internalPort: 8080, externalPort: 8080 };
const UDP: PortRequest = { ...TCP, protocol: "udp" };
const never = new AbortController().signal;

/** Twenty times as fast: what waits for silence need not take seconds. */
const hasty: Clock = { ...nodeClock, after: (ms, callback) => nodeClock.after(ms / 20, callback) };

const target = ({ port }: FakePmpGateway) => ({ gateway: GATEWAY, from: undefined, pmpPort: port });
const searched = ({ ssdpPort }: FakeUpnpGateway) => ({ gateway: GATEWAY, from: undefined, ssdpPort });
const openUpnpAt = (gateway: FakeUpnpGateway, clock: Clock = nodeClock) => openUpnp(clock, searched(gateway), () => 0.5, never);

describe("PCP", () => {
  test("opens ports, renews them as its own, and closes them", async () => {
    await using gateway = await FakePmpGateway.start({ natPmp: false });
    const client = await openPcp(nodeClock, target(gateway), NONCE);
    expect(client).toMatchObject({ protocol: "pcp", gateway: GATEWAY, localAddress: "127.0.0.1" });
    expect(await client.map(TCP, never)).toEqual({ externalAddress: "11.22.33.44", externalPort: 8080, lifetimeSeconds: 7_200 });
    await client.map(UDP, never);
    await (await openPcp(nodeClock, target(gateway), NONCE)).map(TCP, never);
    expect([...gateway.open.keys()]).toEqual(["tcp:8080", "udp:8080"]);
    const other = await openPcp(nodeClock, target(gateway), Uint8Array.from(NONCE).fill(9));
    await expect(other.map(TCP, never)).rejects.toThrow("not authorised");
    await client.unmap(UDP, never);
    await client.unmap(TCP, never);
    expect(gateway.open.size).toBe(0);
  });

  test("asks again when a datagram is lost", async () => {
    await using gateway = await FakePmpGateway.start({ losses: 2 });
    const client = await openPcp(hasty, target(gateway), NONCE);
    expect((await client.map(TCP, never)).externalPort).toBe(8080);
    expect(gateway.received.length).toBe(3);
  });

  test("gives up on a gateway that is silent, and at once on one where nobody listens", async () => {
    await using silent = await FakePmpGateway.start({ pcp: false, natPmp: false });
    const client = await openPcp(hasty, target(silent), NONCE);
    await expect(client.map(TCP, never)).rejects.toThrow("no answer");
    expect(silent.received.length).toBe(3);
    const port = silent.port;
    await silent[Symbol.asyncDispose]();
    // On a clock that stands still, only the system's word can end it.
    const stopped: Clock = { ...nodeClock, after: (ms, callback) => nodeClock.after(ms === 0 ? 0 : 2 ** 30, callback) };
    const nobody = await openPcp(stopped, { gateway: GATEWAY, from: undefined, pmpPort: port }, NONCE);
    if (process.platform === "linux") await expect(nobody.map(TCP, never)).rejects.toThrow("does not speak it");
  });

  test("hears an elder gateway say that it speaks NAT-PMP alone", async () => {
    await using gateway = await FakePmpGateway.start({ pcp: false });
    const client = await openPcp(nodeClock, target(gateway), NONCE);
    await expect(client.map(TCP, never)).rejects.toThrow("version not supported");
  });

  test("waits on through datagrams that are no answer", async () => {
    const almost = Buffer.alloc(60);
    almost.set([2, 0x81]);
    await using gateway = await FakePmpGateway.start({
      garbage: [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(3), Buffer.alloc(1_400, 2), almost, almost.subarray(0, 30)],
    });
    const client = await openPcp(nodeClock, target(gateway), NONCE);
    expect((await client.map(TCP, never)).externalPort).toBe(8080);
    const old = await openNatPmp(nodeClock, target(gateway), never);
    expect((await old.map(TCP, never)).externalPort).toBe(8080);
  });

  test("stops at once when it is called off", async () => {
    await using gateway = await FakePmpGateway.start({ pcp: false, natPmp: false });
    const client = await openPcp(nodeClock, target(gateway), NONCE);
    for (const moment of ["at once", "when the socket is open"]) {
      const controller = new AbortController();
      const mapping = client.map(TCP, controller.signal);
      if (moment !== "at once") while (gateway.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      controller.abort(new Error("called off"));
      await expect(mapping).rejects.toThrow("called off");
    }
  });
});

describe("NAT-PMP", () => {
  test("opens ports under the number that the gateway chooses, and closes them", async () => {
    await using gateway = await FakePmpGateway.start({ pcp: false, taken: [8080] });
    const client = await openNatPmp(nodeClock, target(gateway), never);
    expect(await client.map(TCP, never)).toEqual({ externalAddress: "11.22.33.44", externalPort: 8081, lifetimeSeconds: 7_200 });
    await client.map(UDP, never);
    expect([...gateway.open]).toEqual([
      ["tcp:8081", { internalPort: 8080, lifetimeSeconds: 7_200 }],
      ["udp:8081", { internalPort: 8080, lifetimeSeconds: 7_200 }],
    ]);
    await client.unmap({ ...TCP, externalPort: 8081 }, never);
    expect([...gateway.open.keys()]).toEqual(["udp:8081"]);
  });

  test.each([
    [{ result: 2 }, "not authorised"],
    [{ result: 3 }, "network failure"],
    [{ result: 99 }, "result 99"],
    [{ externalAddress: "0.0.0.0" }, "no usable outside address"],
    [{ externalAddress: "127.0.0.1" }, "no usable outside address"],
    [{ externalAddress: "224.0.0.251" }, "no usable outside address"],
    [{ externalAddress: "169.254.3.4" }, "no usable outside address"],
    [{ externalAddress: "10.1.2.3" }, "behind another NAT itself: its outside address is 10.1.2.3"],
    [{ externalAddress: "172.31.0.1" }, "behind another NAT"],
    [{ externalAddress: "192.168.178.1" }, "behind another NAT"],
    [{ externalAddress: "100.127.0.1" }, "behind another NAT"],
  ])("asks a gateway for nothing that answers %o", async (behaviour, problem) => {
    await using gateway = await FakePmpGateway.start({ pcp: false, ...behaviour });
    await expect(openNatPmp(nodeClock, target(gateway), never)).rejects.toThrow(problem);
    expect(gateway.open.size).toBe(0);
  });

  test("takes no port for no time", async () => {
    await using gateway = await FakePmpGateway.start({ maxSeconds: 0 });
    const client = await openNatPmp(nodeClock, target(gateway), never);
    await expect(client.map(TCP, never)).rejects.toThrow("for no time at all");
  });
});

describe("UPnP", () => {
  test.each([1, 2] as const)("opens and closes ports of a gateway of version %i", async (version) => {
    await using gateway = await FakeUpnpGateway.start({ version });
    const client = await openUpnpAt(gateway);
    expect(client).toMatchObject({ protocol: "upnp", gateway: GATEWAY, localAddress: "127.0.0.1" });
    expect(await client.map(TCP, never)).toEqual({ externalAddress: "11.22.33.44", externalPort: 8080, lifetimeSeconds: 7_200 });
    await client.map(UDP, never);
    expect(gateway.open.get("tcp:8080")).toEqual({ internalPort: 8080, lifetimeSeconds: 7_200, client: "127.0.0.1" });
    await client.unmap(TCP, never);
    await client.unmap(UDP, never);
    expect(gateway.open.size).toBe(0);
  });

  test("takes another port outside when somebody has the wished one, and never closes that one", async () => {
    await using gateway = await FakeUpnpGateway.start({ taken: [8080] });
    const client = await openUpnpAt(gateway);
    const { externalPort } = await client.map(TCP, never);
    expect(externalPort).toBe(49_152 + 8_192);
    await client.unmap({ ...TCP, externalPort }, never);
    expect(gateway.open.size).toBe(0);
    expect(gateway.requests.filter((name) => name === "DeletePortMapping").length).toBe(1);
  });

  test("gives up when every port is taken", async () => {
    await using gateway = await FakeUpnpGateway.start({ taken: [8080, 49_152 + 8_192] });
    const client = await openUpnpAt(gateway);
    await expect(client.map(TCP, never)).rejects.toThrow("another host has this port (718)");
    await expect(client.map(TCP, never)).rejects.toBeInstanceOf(GatewayError);
  });

  test("asks a gateway without leases for as long as it runs", async () => {
    await using gateway = await FakeUpnpGateway.start({ version: 1, onlyPermanent: true });
    expect((await (await openUpnpAt(gateway)).map(TCP, never)).lifetimeSeconds).toBe(0);
  });

  test.each([
    ["another machine", "http://192.0.2.7/desc.xml"],
    ["a name", "http://localhost:80/desc.xml"],
    ["another protocol", "file:///etc/passwd"],
    ["a URL with a password", "http://a:b@127.0.0.1/desc.xml"],
    ["no URL", "no"],
  ])("does not follow an answer that leads to %s", async (_, location) => {
    await using gateway = await FakeUpnpGateway.start({ location });
    await expect(openUpnpAt(gateway, hasty)).rejects.toThrow("no answer");
    expect(gateway.requests).toEqual([]);
  });

  // Elsewhere the loopback has one address.
  test.skipIf(process.platform !== "linux")("does not follow an answer that somebody else gives", async () => {
    await using gateway = await FakeUpnpGateway.start({ answersFrom: "127.0.0.2" });
    await expect(openUpnpAt(gateway, hasty)).rejects.toThrow("no answer");
    expect(gateway.requests).toEqual([]);
  });

  test("orders nothing at another machine that a description names", async () => {
    await using gateway = await FakeUpnpGateway.start();
    gateway.behaviour.description = gateway.describe("http://192.0.2.7/control");
    await expect(openUpnpAt(gateway)).rejects.toThrow("maps no ports");
    gateway.behaviour.description = gateway
      .describe("/control")
      .replace("<device>", "<URLBase>http://192.0.2.7/</URLBase><device>");
    // The base is ignored, and the service is where the description is.
    expect((await openUpnpAt(gateway)).protocol).toBe("upnp");
  });

  const page = (serve: NonNullable<UpnpBehaviour["pages"]>[string]): UpnpBehaviour => ({ pages: { "/desc.xml": serve } });
  test.each<[string, UpnpBehaviour, string]>([
    ["redirects", page((response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end()), "maps no ports"],
    ["is endless", page((response) => endless(response)), "too large"],
    ["never answers", page(() => undefined), "silent"],
    ["breaks off", page((response) => response.socket?.destroy()), "socket hang up"],
    ["says nothing", page((response) => response.end()), "maps no ports"],
    ["opens elements and closes none", page((response) => response.end("<service>".repeat(14_000))), "maps no ports"],
    ["has a private address", { externalAddress: "10.0.0.1" }, "behind another NAT"],
    ["has no address", { externalAddress: "" }, "maps no ports"],
  ])("gives up on a gateway that %s", async (_, behaviour, problem) => {
    await using gateway = await FakeUpnpGateway.start(behaviour);
    await expect(openUpnpAt(gateway, hasty)).rejects.toThrow(problem);
    expect(gateway.open.size).toBe(0);
  });
});

function endless(response: import("node:http").ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write("x".repeat(4_096)));
  };
  response.on("drain", more);
  more();
}
