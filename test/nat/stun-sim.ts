// STUN servers in the simulated internet: ours, with one address or two.

import type { Endpoint } from "../../src/nat/datagram-port.js";
import { fromStunEndpoint, toStunEndpoint } from "../../src/nat/endpoint.js";
import type { StunEndpoint } from "../../src/nat/stun-message.js";
import { answerStun } from "../../src/server/stun-answer.js";
import type { SimHost, SimInternet } from "../sim/internet.js";

const PORTS = [3478, 3479] as const;

const bytesOf = (endpoint: Endpoint) => toStunEndpoint(endpoint) as StunEndpoint;

/** A server with one address, on port 3478. */
export function stunServer(internet: SimInternet): Endpoint {
  const host = internet.host();
  const port = host.open(PORTS[0]);
  port.subscribe((datagram, from) => {
    const answer = answerStun(datagram, bytesOf(from));
    if (answer) port.send(answer.bytes, from);
  });
  return { host: host.address, port: port.port };
}

/**
 * A server with two addresses and two ports, as RFC 5780 wants it.
 * @param keepsPromise - whether it answers from its other address when it is asked to
 * @returns where to ask it, and its other address
 */
export function twoAddressServer(
  internet: SimInternet,
  addresses: readonly [string, string],
  { keepsPromise = true } = {},
): [Endpoint, Endpoint] {
  const host: SimHost = internet.host("none", addresses);
  const ports = PORTS.map((port) => host.open(port));
  for (const [i, port] of ports.entries()) {
    port.subscribe((datagram, from, at) => {
      const other = addresses[at === addresses[0] ? 1 : 0];
      const alternate = {
        origin: ({ address, port: changesPort }: { address: boolean; port: boolean }) =>
          bytesOf({ host: address && keepsPromise ? other : at, port: PORTS[changesPort && keepsPromise ? 1 - i : i] as number }),
        other: bytesOf({ host: other, port: PORTS[1 - i] as number }),
      };
      const answer = answerStun(datagram, bytesOf(from), alternate);
      if (!answer) return;
      const origin = fromStunEndpoint(alternate.origin(answer.change));
      ports[PORTS.indexOf(origin.port as 3478)]?.send(answer.bytes, from, undefined, origin.host);
    });
  }
  return [
    { host: addresses[0], port: PORTS[0] },
    { host: addresses[1], port: PORTS[1] },
  ];
}
