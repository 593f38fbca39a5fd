// A free port of this machine.

/** Room for many connections at a time; the system may allow fewer. */
const BACKLOG = 1_024;

/**
 * @param {import("node:net").Server | import("node:tls").Server | import("node:http").Server} server
 * @returns {Promise<number>}
 */
export function listenOn(server) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1", backlog: BACKLOG }, () => {
      resolve(/** @type {import("node:net").AddressInfo} */ (server.address()).port);
    });
  });
}
