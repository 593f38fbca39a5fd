// Ports: the wished one, or the next that is free.

import { createServer } from "node:net";
import { StepError } from "./run.mjs";

const TRIES = 20;

/**
 * @param {import("node:net").Server} server
 * @param {number} port
 * @param {string} [host]
 * @returns {Promise<number>} the port that it is
 */
export function listen(server, port, host) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : port);
    });
  });
}

/**
 * @param {number} port the first one to try
 * @returns {Promise<number>} one on which nothing listens, on any address
 */
export async function freePort(port) {
  for (let candidate = port; candidate < port + TRIES && candidate <= 65_535; candidate++) {
    const probe = createServer();
    try {
      await listen(probe, candidate);
      await new Promise((resolve) => probe.close(resolve));
      return candidate;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "EADDRINUSE" && code !== "EACCES") throw error;
    }
  }
  throw new StepError(`No port from ${port} to ${port + TRIES - 1} is free: choose others by --port and --relay-port.`);
}
