// A network of its own for the browser tests: a namespace with a veth pair, which gives WebRTC an interface that is not the loopback.

import { networkInterfaces } from "node:os";
import { ensureIp } from "./browsers.mjs";
import { run, say, works, yellow } from "./run.mjs";

/**
 * How the browsers reach each other: `namespace`, an interface that the machine has anyway, or nothing but the loopback,
 * over which only Chromium makes WebRTC connections, when it is told to.
 * @typedef {"namespace" | "interface" | "loopback"} TestNetwork
 */

/** The variable that tells playwright.config.ts which one it is. */
export const NETWORK_VARIABLE = "LINKNET_TEST_NETWORK";

// The default route matters to Firefox: it takes its candidates from the interface that leads to the outside.
const SETUP = [
  "ip link set lo up",
  "ip link add linknet0 type veth peer name linknet1",
  "ip addr add 10.77.0.1/24 dev linknet0",
  "ip addr add 10.77.0.2/24 dev linknet1",
  "ip link set linknet0 up",
  "ip link set linknet1 up",
  "ip route add default via 10.77.0.2 dev linknet0",
].join(" && ");

/** @returns {TestNetwork} what there is without a namespace */
export function presentNetwork() {
  const own = process.env[NETWORK_VARIABLE];
  if (own === "namespace" || own === "interface" || own === "loopback") return own;
  const outside = Object.values(networkInterfaces()).some((addresses) => addresses?.some((address) => !address.internal));
  return outside ? "interface" : "loopback";
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {[string, string[]]} the same, inside a fresh network namespace
 */
function inNamespace(command, args) {
  return ["unshare", ["-n", "sh", "-c", `${SETUP} && exec "$@"`, "sh", command, ...args]];
}

/**
 * Runs a program in the best network that can be had here.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import("./run.mjs").RunOptions} [options]
 */
export async function runInTestNetwork(command, args, options = {}) {
  const root = process.platform === "linux" && process.getuid?.() === 0;
  if (root && (await ensureIp()) && works(...inNamespace("true", []))) {
    say("  network: a namespace with a veth pair");
    const [program, programArgs] = inNamespace(command, args);
    return run(program, programArgs, { ...options, env: { ...options.env, [NETWORK_VARIABLE]: "namespace" } });
  }
  const network = presentNetwork();
  say(`  network: ${network === "interface" ? "this machine's own interfaces" : "the loopback alone"}`);
  if (network === "loopback") {
    say(
      yellow(
        "  SKIPPED: Firefox makes no WebRTC connection over the loopback; its tests do not run. As root on Linux they would.",
      ),
    );
  }
  return run(command, args, { ...options, env: { ...options.env, [NETWORK_VARIABLE]: network } });
}
