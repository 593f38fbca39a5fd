// The command `linknet relay`: reads its flags, runs a relay, and closes it in good order.

import { isIP, isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { NetworkError } from "../core/errors.js";
import { createRelay, type Relay, type RelayLogEntry, type RelayOptions } from "./index.js";

const HELP = `Usage: linknet relay [options]

Runs a relay: the meeting point of peers that know each other's PeerId or a room.
It forwards sealed frames, which it cannot read, until the peers have found a direct path,
and tells clients their public address by STUN, on UDP and on its TCP port.

Options:
  --port NUMBER        TCP port of HTTP and WebSocket, 0 for any       (default 8787)
  --host ADDRESS       address to bind                                 (default: all)
  --public-url URL     URL that clients dial, such as wss://relay.example; may be given
                       several times. Needed behind a proxy or under a DNS name: logins
                       are signed for the name that was dialled.
  --stun-port NUMBER   UDP port of STUN, 0 for any, or "off"           (default: that of --port)
  --stun-alternate ADDRESS[:PORT]
                       a second address of this machine, by which clients learn how their
                       NAT filters; needs --host       (default: none; the port above STUN's)
  --quiet              no log of clients
  --help               this text

Clients connect with   new NetworkManager({ relays: ["ws://HOST:PORT"] })
Pages on https:// need wss://: put a proxy with TLS in front, and name it with --public-url.
`;

/** A mistake in the flags; the text is for the terminal. */
class UsageError extends Error {}

/**
 * Runs `linknet relay`. Prints to stdout and stderr; sets `process.exitCode` to 2 for wrong flags and to 1 when the relay
 * cannot start. Resolves when the relay has closed, after SIGINT or SIGTERM.
 * @param argv - the arguments after `relay`
 */
export async function runRelayCommand(argv: string[]): Promise<void> {
  try {
    const flags = parseFlags(argv);
    if (flags === null) {
      process.stdout.write(HELP);
      return;
    }
    await run(flags.options, flags.quiet);
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof NetworkError)) throw error;
    const hint = error instanceof UsageError ? "\nlinknet relay --help explains the flags." : explain(error);
    process.stderr.write(`linknet relay: ${error.message}${hint}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

async function run(options: RelayOptions, quiet: boolean): Promise<void> {
  const relay = await createRelay({ ...options, log: quiet ? undefined : printEntry });
  // Before anything is said: who reads that the relay listens may stop it at once.
  const stopped = new Promise<void>((resolve) => {
    const onSignal = (): void => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
      resolve();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
  printAddresses(relay, options.publicUrls ?? []);
  await stopped;
  await relay.close();
}

function printAddresses(relay: Relay, publicUrls: readonly string[]): void {
  const urls = publicUrls.length > 0 ? publicUrls : [relay.url];
  for (const url of urls) process.stdout.write(`relay listening on ${url}\n`);
  if (publicUrls.length > 0) process.stdout.write(`bound to TCP port ${relay.port}\n`);
  process.stdout.write(relay.stunPort > 0 ? `STUN on UDP port ${relay.stunPort}\n` : "STUN is off\n");
  if (relay.stunAlternate) {
    const { host, port } = relay.stunAlternate;
    process.stdout.write(`STUN's second address is ${isIPv6(host) ? `[${host}]` : host}:${port}\n`);
  }
}

function printEntry(entry: RelayLogEntry): void {
  if (entry.event === "listening") return;
  const { level, event, peer, reason, clients } = entry;
  const parts = [new Date().toISOString(), level, event];
  if (peer !== undefined) parts.push(`peer=${peer}`);
  if (reason !== undefined) parts.push(`reason=${JSON.stringify(reason)}`);
  if (clients !== undefined) parts.push(`clients=${clients}`);
  process.stdout.write(`${parts.join(" ")}\n`);
}

/** @returns `null` when help is asked for */
function parseFlags(argv: string[]): { readonly options: RelayOptions; readonly quiet: boolean } | null {
  const { values } = parse(argv);
  if (values.help) return null;
  const stun = values["stun-port"];
  const alternate = values["stun-alternate"];
  const options: RelayOptions = {
    port: values.port === undefined ? undefined : parsePort("--port", values.port),
    host: values.host,
    publicUrls: values["public-url"],
    stunPort: stun === undefined ? undefined : stun === "off" ? false : parsePort("--stun-port", stun),
    stunAlternate: alternate === undefined ? undefined : parseAlternate(alternate),
  };
  return { options, quiet: values.quiet ?? false };
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        port: { type: "string" },
        host: { type: "string" },
        "public-url": { type: "string", multiple: true },
        "stun-port": { type: "string" },
        "stun-alternate": { type: "string" },
        quiet: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Brackets around an IPv6 address are needed before a port alone. */
function parseAlternate(text: string): NonNullable<RelayOptions["stunAlternate"]> {
  const flag = "--stun-alternate";
  const [, literal, plain, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(isIPv6(text) ? "" : text) ?? [];
  const host = literal ?? plain ?? text;
  if (isIP(host) === 0) throw new UsageError(`${flag} takes an address, such as 192.0.2.2, not ${JSON.stringify(text)}`);
  return port === undefined ? { host } : { host, port: parsePort(flag, port) };
}

function parsePort(flag: string, text: string): number {
  const port = Number(text);
  if (!/^[0-9]{1,5}$/.test(text) || port > 65_535) {
    throw new UsageError(
      `${flag} takes a whole number from 0 to 65535${flag === "--stun-port" ? ' or "off"' : ""}, not ${JSON.stringify(text)}`,
    );
  }
  return port;
}

function explain(error: NetworkError): string {
  if (error.code !== "ERR_LISTEN_IN_USE") return "";
  return error.message.includes("UDP")
    ? "\nGive another one with --stun-port, or --stun-port off."
    : "\nGive another one with --port, such as --port 8788.";
}
