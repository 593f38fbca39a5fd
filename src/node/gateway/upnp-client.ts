// Asks a gateway by UPnP: search it on the LAN, read its description, give it orders over HTTP.

import { createSocket } from "node:dgram";
import { request as httpRequest } from "node:http";
import { deadline } from "../../core/deadline.js";
import { NetworkError } from "../../core/errors.js";
import type { Clock, Millis, Timer } from "../../core/runtime.js";
import {
  externalAddressProblem,
  type GatewayClient,
  GatewayError,
  type GatewayTarget,
  LIFETIME_SECONDS,
  type PortGrant,
  type PortRequest,
} from "./gateway-client.js";
import { addressTowards } from "./pmp-client.js";
import {
  decodeDescription,
  decodeExternalAddress,
  decodeFault,
  decodeSearchAnswer,
  encodeAction,
  encodeSearches,
  UPNP_CONFLICT,
  UPNP_ONLY_PERMANENT,
  type WanService,
} from "./upnp-message.js";

const SSDP_PORT = 1_900;
/** The group of SSDP (UPnP Device Architecture 1.1 §1.3.2), and how many routers its packets may pass: none, and one to spare. */
const SSDP_GROUP = "239.255.255.250";
const SSDP_TTL = 2;
/** Moments at which the search is sent, as datagrams get lost, and the end of waiting: a device may take MX = 1 s to answer. */
const SEARCH_AT_MS: readonly Millis[] = [0, 300, 900];
const SEARCH_GIVE_UP_MS: Millis = 2_500;

/** Answers of gateways to one search that are followed. */
const MAX_LOCATIONS = 3;
/** For one exchange over HTTP; cheap routers think for a second. */
const HTTP_TIMEOUT_MS: Millis = 4_000;
/** Largest description or answer, in bytes. Real ones have some 10 KiB. */
const MAX_HTTP_BYTES = 128 * 1024;

/** Ports that are tried outside when the wished one is somebody else's, and where they are drawn from (RFC 6335 §6). */
const OTHER_PORTS = 4;
const FIRST_DYNAMIC_PORT = 49_152;

/** What shows in the table of the router's web page. */
const DESCRIPTION = "linknet";

/**
 * UPnP IGD, version 1 or 2.
 * @param unit - an even number in [0, 1), to draw a port by
 * @throws GatewayError when the gateway does not speak it, or its outside address is of no use
 */
export async function openUpnp(
  clock: Clock,
  target: GatewayTarget,
  unit: () => number,
  signal: AbortSignal,
): Promise<GatewayClient> {
  const localAddress = await addressTowards(target);
  const locations = await search(clock, target, localAddress, signal);
  let problem: unknown = new GatewayError("the gateway maps no ports");
  for (const location of locations) {
    try {
      const services = decodeDescription((await exchange(clock, location, null, signal)).body, location);
      for (const service of services) {
        const address = decodeExternalAddress(await act(clock, service, "GetExternalIPAddress", [], signal));
        if (address === null) continue;
        const useless = externalAddressProblem(address);
        if (useless !== null) throw new GatewayError(useless);
        return new UpnpClient(clock, service, { gateway: target.gateway, localAddress, externalAddress: address, unit });
      }
    } catch (error) {
      signal.throwIfAborted();
      problem = error;
    }
  }
  throw problem;
}

interface UpnpFacts {
  readonly gateway: string;
  readonly localAddress: string;
  readonly externalAddress: string;
  readonly unit: () => number;
}

class UpnpClient implements GatewayClient {
  readonly protocol = "upnp";
  readonly gateway: string;
  readonly localAddress: string;
  readonly #clock: Clock;
  readonly #service: WanService;
  readonly #facts: UpnpFacts;

  constructor(clock: Clock, service: WanService, facts: UpnpFacts) {
    this.gateway = facts.gateway;
    this.localAddress = facts.localAddress;
    this.#clock = clock;
    this.#service = service;
    this.#facts = facts;
  }

  async map(request: PortRequest, signal: AbortSignal): Promise<PortGrant> {
    const { externalAddress, unit } = this.#facts;
    let { externalPort } = request;
    for (let left = OTHER_PORTS; ; left--) {
      try {
        return { externalAddress, externalPort, lifetimeSeconds: await this.#add(request, externalPort, signal) };
      } catch (error) {
        if (!(error instanceof UpnpFault) || error.code !== UPNP_CONFLICT || left === 0) throw nameless(error);
        externalPort = FIRST_DYNAMIC_PORT + Math.floor(unit() * (65_536 - FIRST_DYNAMIC_PORT));
      }
    }
  }

  async unmap({ protocol, externalPort }: PortRequest, signal: AbortSignal): Promise<void> {
    const values = [
      ["NewRemoteHost", ""],
      ["NewExternalPort", externalPort],
      ["NewProtocol", protocol.toUpperCase()],
    ] as const;
    await act(this.#clock, this.#service, "DeletePortMapping", values, signal).catch((error) => {
      throw nameless(error);
    });
  }

  /** @returns how long it holds, in seconds; 0 without end */
  async #add(request: PortRequest, externalPort: number, signal: AbortSignal): Promise<number> {
    try {
      return await this.#addFor(LIFETIME_SECONDS, request, externalPort, signal);
    } catch (error) {
      // Many a router of the first version knows nothing else (WANIPConnection:1 §2.4.16).
      if (!(error instanceof UpnpFault) || error.code !== UPNP_ONLY_PERMANENT) throw error;
      return this.#addFor(0, request, externalPort, signal);
    }
  }

  async #addFor(seconds: number, request: PortRequest, externalPort: number, signal: AbortSignal): Promise<number> {
    const values = [
      ["NewRemoteHost", ""],
      ["NewExternalPort", externalPort],
      ["NewProtocol", request.protocol.toUpperCase()],
      ["NewInternalPort", request.internalPort],
      ["NewInternalClient", this.localAddress],
      ["NewEnabled", 1],
      ["NewPortMappingDescription", DESCRIPTION],
      ["NewLeaseDuration", seconds],
    ] as const;
    await act(this.#clock, this.#service, "AddPortMapping", values, signal);
    return seconds;
  }
}

/** An error that the gateway numbered. */
class UpnpFault extends Error {
  readonly code: number;

  constructor(code: number, cause: Error) {
    super(cause.message, { cause });
    this.code = code;
  }
}

function nameless(error: unknown): unknown {
  return error instanceof UpnpFault ? error.cause : error;
}

/** @returns where the gateway describes itself @throws GatewayError when it does not answer */
async function search(clock: Clock, target: GatewayTarget, localAddress: string, signal: AbortSignal): Promise<URL[]> {
  signal.throwIfAborted();
  const { gateway, ssdpPort = SSDP_PORT } = target;
  const socket = createSocket("udp4");
  socket.unref();
  const timers: Timer[] = [];
  const found = new Map<string, URL>();
  let stop = (): void => undefined;
  try {
    return await new Promise<URL[]>((resolve, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      socket.on("error", (error) => reject(new GatewayError(error.message, { cause: error })));
      socket.on("message", (bytes, from) => {
        const location = from.address === gateway ? decodeSearchAnswer(bytes.toString("latin1"), gateway) : null;
        if (!location || found.size >= MAX_LOCATIONS) return;
        // One device answers once for each version; they share a description as a rule.
        if (found.size === 0) timers.push(clock.after(SETTLE_MS, () => resolve([...found.values()])));
        found.set(location.href, location);
      });
      socket.bind(0, localAddress, () => {
        try {
          socket.setMulticastInterface(localAddress);
          socket.setMulticastTTL(SSDP_TTL);
        } catch {
          // Then the gateway is asked by its own address alone.
        }
        // To the group, as the protocol wants it, and to the gateway itself: a firewall of ours lets the answer to that one in.
        const send = (): void => {
          for (const text of encodeSearches()) {
            for (const to of [SSDP_GROUP, gateway]) socket.send(text, ssdpPort, to, () => undefined);
          }
        };
        for (const at of SEARCH_AT_MS) timers.push(clock.after(at, send));
        timers.push(clock.after(SEARCH_GIVE_UP_MS, () => reject(new GatewayError("no answer"))));
      });
    });
  } finally {
    signal.removeEventListener("abort", stop);
    for (const timer of timers) timer.cancel();
    socket.close();
  }
}

/** After the first answer to a search, in ms: for the second of the same device. */
const SETTLE_MS: Millis = 100;

/** Gives an order. @returns the answer's text @throws {UpnpFault} with what the gateway says; GatewayError */
async function act(
  clock: Clock,
  { type, controlUrl }: WanService,
  action: string,
  values: readonly (readonly [string, string | number])[],
  signal: AbortSignal,
): Promise<string> {
  const order = { action: `"${type}#${action}"`, body: encodeAction(type, action, values) };
  const { status, body } = await exchange(clock, controlUrl, order, signal);
  const fault = decodeFault(body);
  if (fault) throw new UpnpFault(fault.code, fault.error);
  if (status !== 200) throw new GatewayError(`HTTP ${status}`);
  return body;
}

interface Order {
  readonly action: string;
  readonly body: string;
}

/** One exchange over HTTP on a connection of its own. Redirections are not followed. */
async function exchange(
  clock: Clock,
  url: URL,
  order: Order | null,
  parent: AbortSignal,
): Promise<{ status: number; body: string }> {
  parent.throwIfAborted();
  const limit = deadline(clock, HTTP_TIMEOUT_MS, parent, () => new NetworkError("ERR_CLOSED_TIMEOUT", "HTTP"));
  const headers = { "content-type": 'text/xml; charset="utf-8"', soapaction: order?.action ?? "" };
  const body = Buffer.from(order?.body ?? "");
  try {
    return await new Promise((resolve, reject) => {
      const request = httpRequest(url, {
        agent: false,
        method: order ? "POST" : "GET",
        headers: order ? { ...headers, "content-length": body.length } : {},
        signal: limit.signal,
      });
      request.on("socket", (socket) => socket.unref());
      request.on("error", reject);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_HTTP_BYTES) request.destroy(new Error("the answer is too large"));
          else chunks.push(chunk);
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }));
        response.on("error", reject);
      });
      request.end(body);
    });
  } catch (error) {
    if (limit.signal.aborted) throw limit.signal.reason;
    throw new GatewayError(error instanceof Error ? error.message : String(error), { cause: error });
  } finally {
    limit.clear();
  }
}
