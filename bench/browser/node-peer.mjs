// The Node process at the other end of a page's WebSocket. It listens, in whichever direction the messages go, so the half that sends is
// given the connection that came in as the one that it dials.

import { createAdapter as createLinkNet } from "../adapters/linknet.mjs";
import { createAdapter as createWs } from "../adapters/ws.mjs";
import * as halves from "../workloads/throughput-halves.mjs";
import { createAdapter as createSealed } from "./sealed.mjs";

/** @typedef {import("../lib/types.js").Adapter} Adapter */
/** @typedef {import("../lib/types.js").Connection} Connection */

/** @type {(value: unknown) => void} */
let onFinish = () => undefined;
const finishing = new Promise((resolve) => {
  onFinish = resolve;
});
/** @type {Promise<any>} */
let result;

/**
 * @param {"ws" | "sealed" | "linknet"} system
 * @param {{ dist?: string | undefined, sends: boolean, params: import("../workloads/throughput-halves.mjs").Params }} options
 * @returns {Promise<string>} the URL to dial
 */
export async function listen(system, { dist, sends, params }) {
  const settings = { transport: "websocket", ...(dist ? { dist } : {}) };
  const adapter =
    system === "linknet"
      ? await createLinkNet({ name: system, title: "", module: "", packages: [], settings })
      : system === "ws"
        ? createWs()
        : createSealed();
  const [side, address] = sends ? await sendingSide(adapter) : receivingSide(adapter);
  result = sends ? halves.client({ ...side, params }) : halves.server({ ...side, params });
  result.catch(() => undefined);
  const given = await Promise.race([address, result]);
  return system === "linknet" ? given.target : `ws://127.0.0.1:${given}`;
}

/** The page is ready: the half that sends begins, and what it measured comes back; the one that receives ends. */
export async function finish() {
  onFinish(undefined);
  return result;
}

/** @param {Error} error @returns {never} */
function fail(error) {
  // Also where somebody catches what callbacks throw.
  process.nextTick(() => {
    throw error;
  });
  throw error;
}

/** @param {Adapter} adapter @returns {[any, Promise<any>]} */
function receivingSide(adapter) {
  /** @type {(address: unknown) => void} */
  let tell = () => undefined;
  const address = new Promise((resolve) => {
    tell = resolve;
  });
  return [{ adapter, tell, hear: () => finishing, fail }, address];
}

/** @param {Adapter} adapter @returns {Promise<[any, any]>} */
async function sendingSide(adapter) {
  /** @type {(connection: Connection) => void} */
  let accept = () => undefined;
  /** @type {Promise<Connection>} */
  const accepted = new Promise((resolve) => {
    accept = resolve;
  });
  const { address } = await adapter.listen({}, accept);
  const dialer = { dial: () => finishing.then(() => accepted), close: () => undefined };
  return [{ adapter: { createDialer: async () => dialer }, tell: () => undefined, hear: async () => address, fail }, address];
}
