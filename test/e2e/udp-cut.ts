// Loses every UDP packet between the addresses of the test network, without a word to those who send: as a dying path does.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { presentNetwork } from "../../scripts/lib/test-network.mjs";

/** Whether there is a network that is ours alone. Nobody else's may be touched. */
export function canCutUdp(): boolean {
  return presentNetwork() === "namespace" && networkInterfaces().linknet0?.[0]?.address === "10.77.0.1";
}

// Routing by rules, as it needs no module of the kernel: UDP goes to a neighbour that does not exist, at an address that is
// known, so that no error comes back. The table of local addresses must not come first then.
const CUT = [
  "neigh replace 10.77.0.9 lladdr 02:00:00:00:00:09 dev linknet0 nud permanent",
  "route replace 10.77.0.0/24 via 10.77.0.9 dev linknet0 table 77",
  "rule add pref 100 lookup local",
  "rule del pref 0",
  "rule add pref 50 ipproto udp to 10.77.0.0/24 lookup 77",
];
const MEND = ["rule add pref 0 lookup local", "rule del pref 50", "rule del pref 100"];

/** @returns how to let UDP pass again */
export async function cutUdp(): Promise<() => Promise<void>> {
  if (!canCutUdp()) throw new Error("this network is not ours");
  await ip(CUT);
  let mended = false;
  return async () => {
    if (mended) return;
    mended = true;
    await ip(MEND);
  };
}

async function ip(commands: readonly string[]): Promise<void> {
  const child = spawn("ip", ["-batch", "-"], { stdio: ["pipe", "ignore", "inherit"] });
  child.stdin.end(`${commands.join("\n")}\n`);
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`ip ended with ${code}`);
}
