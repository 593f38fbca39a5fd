// Asks a gateway by PCP, or by NAT-PMP: one datagram there, one back, repeated until it comes.

import { createSocket } from "node:dgram";
import type { Clock, Millis, Timer } from "../../core/runtime.js";
import {
  externalAddressProblem,
  type GatewayClient,
  GatewayError,
  type GatewayTarget,
  gatewayError,
  LIFETIME_SECONDS,
  type PortGrant,
  type PortRequest,
} from "./gateway-client.js";
import {
  decodeNatPmpAddress,
  decodeNatPmpMap,
  decodePcpMap,
  encodeNatPmpAddress,
  encodeNatPmpMap,
  encodePcpMap,
  MAX_PMP_BYTES,
} from "./pmp-message.js";

/** Where gateways listen for both (RFC 6886 §1.1, RFC 6887 §19.1). */
const PMP_PORT = 5_351;

/**
 * Moments at which a request is sent, and the end of waiting. The first steps are those of RFC 6886 §3.1; it goes on to 64 s, for
 * networks of radio. We ask a router that is one step away, and will be back.
 */
const SEND_AT_MS: readonly Millis[] = [0, 250, 750];
const GIVE_UP_MS: Millis = 1_750;

/** PCP. Nothing is sent before a port is asked for. @param nonce - 12 bytes, the same for as long as the mappings live */
export async function openPcp(clock: Clock, target: GatewayTarget, nonce: Uint8Array): Promise<GatewayClient> {
  const { gateway } = target;
  const localAddress = await addressTowards(target);
  const exchange = (request: PortRequest, lifetimeSeconds: number, signal: AbortSignal): Promise<PortGrant> =>
    ask(clock, target, signal, {
      encode: () => encodePcpMap(request, localAddress, nonce, lifetimeSeconds),
      decode: (bytes) => decodePcpMap(bytes, request, nonce),
    });
  return {
    protocol: "pcp",
    gateway,
    localAddress,
    map: async (request, signal) => held(await exchange(request, LIFETIME_SECONDS, signal)),
    unmap: async (request, signal) => {
      await exchange(request, 0, signal);
    },
  };
}

/** NAT-PMP. @throws GatewayError when the gateway does not speak it, or its outside address is of no use */
export async function openNatPmp(clock: Clock, target: GatewayTarget, signal: AbortSignal): Promise<GatewayClient> {
  const { gateway } = target;
  const localAddress = await addressTowards(target);
  const externalAddress = await ask(clock, target, signal, { encode: encodeNatPmpAddress, decode: decodeNatPmpAddress });
  const problem = externalAddressProblem(externalAddress);
  if (problem !== null) throw new GatewayError(problem);
  const exchange = (
    request: PortRequest,
    lifetimeSeconds: number,
    signal: AbortSignal,
  ): Promise<Omit<PortGrant, "externalAddress">> =>
    ask(clock, target, signal, {
      encode: () => encodeNatPmpMap(request, lifetimeSeconds),
      decode: (bytes) => decodeNatPmpMap(bytes, request),
    });
  return {
    protocol: "nat-pmp",
    gateway,
    localAddress,
    map: async (request, signal) => held({ externalAddress, ...(await exchange(request, LIFETIME_SECONDS, signal)) }),
    unmap: async (request, signal) => {
      await exchange(request, 0, signal);
    },
  };
}

/** In both protocols a lifetime of nothing is a mapping that is gone. */
function held(grant: PortGrant): PortGrant {
  if (grant.lifetimeSeconds === 0) throw new GatewayError("the gateway opens the port for no time at all");
  return grant;
}

/** Our own address towards the gateway. Nothing is sent. @throws GatewayError when nothing leads there */
export async function addressTowards(target: GatewayTarget): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("error", () => undefined);
  try {
    await connectSocket(socket, target);
    return socket.address().address;
  } catch (error) {
    throw gatewayError(error);
  } finally {
    socket.close();
  }
}

interface Question<T> {
  encode(): Uint8Array;
  /** @returns `null` for what is no answer @throws what the answer says */
  decode(bytes: Uint8Array): T | null;
}

async function ask<T>(clock: Clock, target: GatewayTarget, signal: AbortSignal, { encode, decode }: Question<T>): Promise<T> {
  signal.throwIfAborted();
  // Connected, so that the system gives us nothing from anybody else, and says when nobody listens there.
  const socket = createSocket("udp4");
  socket.unref();
  const timers: Timer[] = [];
  let over = false;
  let stop = (): void => undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void =>
        reject(error.code === "ECONNREFUSED" ? new GatewayError("the gateway does not speak it") : gatewayError(error));
      stop = () => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      socket.on("message", (bytes) => {
        if (bytes.length > MAX_PMP_BYTES) return;
        try {
          const answer = decode(bytes);
          if (answer !== null) resolve(answer);
        } catch (error) {
          reject(error);
        }
      });
      // The system's word that nobody listens there comes as an event; the error of one datagram is no news.
      socket.on("error", fail);
      connectSocket(socket, target).then(() => {
        if (over) return;
        const send = (): void => socket.send(encode(), () => undefined);
        for (const at of SEND_AT_MS) timers.push(clock.after(at, send));
        timers.push(clock.after(GIVE_UP_MS, () => reject(new GatewayError("no answer"))));
      }, fail);
    });
  } finally {
    over = true;
    signal.removeEventListener("abort", stop);
    for (const timer of timers) timer.cancel();
    socket.close();
  }
}

function connectSocket(socket: ReturnType<typeof createSocket>, { gateway, from, pmpPort }: GatewayTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, from, () => {
      socket.connect(pmpPort ?? PMP_PORT, gateway, (error?: Error) => {
        socket.off("error", reject);
        if (error) reject(error);
        else resolve();
      });
    });
  });
}
