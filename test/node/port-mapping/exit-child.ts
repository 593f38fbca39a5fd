// Run as a process of its own by exit.test.ts: has a port mapped, or tries to, and must then end by itself.
// Arguments: what to do; the ports of a gateway on loopback, for PCP and NAT-PMP, and for SSDP.

import { nodeClock } from "../../../src/node/clock.js";
import { watchNetwork } from "../../../src/node/network-watch.js";
import { gatewayWays, PortMapper } from "../../../src/node/port-mapping.js";
import { nodeRuntime } from "../../../src/node/runtime.js";

const [story, pmpPort, ssdpPort] = process.argv.slice(2);
const ways = gatewayWays(nodeClock, nodeRuntime().random).map(({ name, open }) => ({
  name,
  open: (target: Parameters<typeof open>[0], signal: AbortSignal) =>
    open({ ...target, pmpPort: Number(pmpPort), ssdpPort: Number(ssdpPort) }, signal),
}));
const tools = {
  clock: nodeClock,
  ways,
  gateways: async () => ["127.0.0.1"],
  localAddresses: () => ["127.0.0.1"],
  onNetworkChange: (callback: () => void) => watchNetwork(nodeClock, () => [], callback),
};
const listeners = [
  { port: 8080, addresses: () => [], close: async () => undefined, mappable: { protocol: "tcp", schemes: ["tcp"] } as const },
];

const mapper = new PortMapper(tools, {
  listeners,
  host: undefined,
  onChange: () => {
    console.log("mapped");
    changed();
  },
});
let changed = (): void => undefined;
if (story === "close") {
  // The one thing here that keeps the process alive until then.
  const hold = setTimeout(() => undefined, 10_000);
  await new Promise<void>((resolve) => (changed = resolve));
  clearTimeout(hold);
  await mapper.close();
  console.log("closed");
} else if (story === "asking") {
  // As an application that has done its work, and waits for nothing.
  await new Promise<void>((resolve) => setTimeout(resolve, 300));
  console.log("forgotten");
}
