// Which routers this machine sends through. Node does not tell, so the system is asked.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

/** Routers of one machine that are worth asking: several where there are several uplinks. */
const MAX_GATEWAYS = 3;

/** For a program that only prints a table, in ms. */
const PROGRAM_TIMEOUT_MS = 2_000;

/** The IPv4 routers of the default routes, the preferred one first. Empty where there are none, or the system does not tell. */
export async function defaultGateways(): Promise<readonly string[]> {
  try {
    if (process.platform === "linux") return gatewaysOfProcRoute(await readFile("/proc/net/route", "utf8"));
    return gatewaysOfNetstat(await netstat());
  } catch {
    return [];
  }
}

/** Reads Linux's `/proc/net/route`: addresses are hexadecimal, in the byte order of the machine. */
export function gatewaysOfProcRoute(table: string): string[] {
  const routes = table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    // Destination and mask 0 is the default route; flags hold RTF_UP (1) and RTF_GATEWAY (2).
    .filter((fields) => fields[1] === "00000000" && fields[7] === "00000000" && (Number.parseInt(fields[3] ?? "", 16) & 3) === 3)
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  return distinct(routes.map((fields) => hexAddress(fields[2] as string)));
}

/** Reads `netstat -rn`, which macOS, the BSDs and Windows have; their tables differ, the words of a default route do not. */
export function gatewaysOfNetstat(table: string): string[] {
  const route = /^\s*(?:default|0\.0\.0\.0)\s+(?:0\.0\.0\.0\s+)?(\d{1,3}(?:\.\d{1,3}){3})\s/gm;
  return distinct([...table.matchAll(route)].map((match) => match[1] as string));
}

function distinct(addresses: readonly string[]): string[] {
  return [...new Set(addresses)].filter((address) => address !== "0.0.0.0").slice(0, MAX_GATEWAYS);
}

function hexAddress(hex: string): string {
  const bytes = [...Buffer.from(hex, "hex")];
  return (isLittleEndian ? bytes.reverse() : bytes).join(".");
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function netstat(): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: PROGRAM_TIMEOUT_MS, maxBuffer: 1024 * 1024, windowsHide: true };
    const child = execFile("netstat", ["-rn"], options, (error, stdout) => (error ? reject(error) : resolve(stdout)));
    child.unref();
  });
}
