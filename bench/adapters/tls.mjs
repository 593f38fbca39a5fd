// `node:tls` 1.3 with AES-256-GCM: messages and waiting as on raw TCP. The dialler checks the certificate; the server asks for none,
// unless the setting `mutual` says so: then both sides know who the other is, as both ends of a Noise XX handshake do.

import { connect, createServer } from "node:tls";
import { FramedConnection } from "./framed-connection.mjs";
import { jsonConnection } from "./json-connection.mjs";
import { listenOn } from "./listen.mjs";
import { SERVER_NAME, selfSigned } from "./self-signed.mjs";

/** @type {import("node:tls").SecureContextOptions} */
const SUITE = { minVersion: "TLSv1.3", maxVersion: "TLSv1.3", ciphers: "TLS_AES_256_GCM_SHA384" };

/**
 * @param {import("../lib/types.js").System} system
 * @returns {import("../lib/types.js").Adapter}
 */
export function createAdapter({ settings = {} }) {
  const mutual = settings.mutual === "yes";
  return {
    async listen({ objects }, onConnection) {
      const { key, cert } = selfSigned();
      const client = mutual ? selfSigned() : null;
      const asked = client ? { requestCert: true, rejectUnauthorized: true, ca: client.cert } : {};
      const server = createServer({ ...SUITE, key, cert, noDelay: true, ...asked }, (socket) =>
        onConnection(wrap(socket, objects)),
      );
      const port = await listenOn(server);
      return { address: { port, ca: cert, client }, close: () => void server.close() };
    },
    createDialer: async ({ objects }, address) => ({
      dial: () =>
        new Promise((resolve, reject) => {
          const { port, ca, client } = /** @type {{ port: number, ca: string, client: { key: string, cert: string } | null }} */ (
            address
          );
          const socket = connect({ ...SUITE, port, host: "127.0.0.1", ca, servername: SERVER_NAME, ...client });
          socket.setNoDelay(true);
          socket.once("error", reject);
          socket.once("secureConnect", () => {
            const { name } = socket.getCipher();
            if (!socket.authorized || name !== SUITE.ciphers) reject(new Error(`TLS: ${name}, ${socket.authorizationError}`));
            else resolve(wrap(socket, objects));
          });
        }),
      close: () => undefined,
    }),
  };
}

/** @param {import("node:tls").TLSSocket} socket @param {boolean | undefined} objects */
function wrap(socket, objects) {
  const connection = new FramedConnection(socket);
  return objects ? jsonConnection(connection, { text: true }) : connection;
}
