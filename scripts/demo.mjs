// `npm run demo`: relay, chat page and a greeting Node peer, all on this machine, with one command.

import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./lib/build.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { freePort, listen } from "./lib/listen.mjs";
import { main } from "./lib/main.mjs";
import { createPageServer } from "./lib/page-server.mjs";
import { startChatPeer } from "./lib/processes.mjs";
import { startRelay } from "./lib/relay.mjs";
import { bold, dim, ROOT, StepError, say, step, yellow } from "./lib/run.mjs";

const HELP = `npm run demo -- [options]

Starts a relay, the chat page and a Node peer that greets whoever comes.

  --port PORT        port of the page (default 8080, or the next free one)
  --relay-port PORT  port of the relay (default 8787, or the next free one)
  --room ROOM        room that the Node peer joins (default lobby)
  --no-build         take what was built before
  --help             print this
`;

/**
 * @param {string} value
 * @param {string} name
 */
function parsePort(value, name) {
  const port = Number(value);
  if (!/^\d{1,5}$/.test(value) || port < 1 || port > 65_535)
    throw new StepError(`${name} must be a whole number from 1 to 65535.`);
  return port;
}

/** @returns {string | null} an IPv4 address by which a phone on the same network reaches us */
function lanAddress() {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { family, internal, address } of addresses ?? []) {
      // 169.254/16 is what an interface gives itself when nobody gave it an address (RFC 3927).
      if (family === "IPv4" && !internal && !address.startsWith("169.254.")) return address;
    }
  }
  return null;
}

/**
 * @param {number} port
 * @param {number} relayPort
 * @param {string} room
 */
async function printAddresses(port, relayPort, room) {
  const hash = `/#room=${encodeURIComponent(room)}`;
  say(`\n${bold("LinkNet chat is ready.")}\n`);
  say(`  On this machine   ${bold(`http://localhost:${port}${hash}`)}`);
  const lan = lanAddress();
  if (lan) {
    const url = `http://${lan}:${port}${hash}`;
    say(`  On this network   ${bold(url)}\n`);
    const { renderUnicodeCompact } = await import("uqr");
    say(renderUnicodeCompact(url, { border: 2 }).replace(/^/gm, "  "));
  }
  const command = `node dist/bin/linknet.js chat ${JSON.stringify(room)} --relay ws://localhost:${relayPort}`;
  say(`\n  Open it in two tabs, and beside them in a terminal: ${bold(command)}`);
  say(dim("  Ctrl-C ends everything.\n"));
}

/** Resolves at Ctrl-C, or when the process is asked to end. */
function interrupted() {
  return /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, () => resolve());
    })
  );
}

/** @returns {{ help: boolean, port: number, relayPort: number, room: string, build: boolean }} */
function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: "8080" },
        "relay-port": { type: "string", default: "8787" },
        room: { type: "string", default: "lobby" },
        "no-build": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    return {
      help: values.help,
      port: parsePort(values.port, "--port"),
      relayPort: parsePort(values["relay-port"], "--relay-port"),
      room: values.room,
      build: !values["no-build"],
    };
  } catch (error) {
    if (error instanceof StepError) throw error;
    throw new StepError(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
  }
}

await main(async () => {
  const options = parseOptions();
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  await ensureDependencies();
  if (options.build) await step("Build", () => build({ types: false }));

  const stopped = interrupted();
  /** @type {(() => Promise<unknown>)[]} */
  const stops = [];
  try {
    const relayPort = await freePort(options.relayPort);
    const relay = await startRelay({ port: relayPort });
    stops.unshift(relay.stop);

    const page = createPageServer({ folders: { "/": join(ROOT, "dist/demo-web") }, relayPort });
    const port = await listen(page, await freePort(options.port));
    stops.unshift(async () => {
      page.closeAllConnections();
      page.close();
    });

    const room = options.room;
    const peer = startChatPeer("node peer", [room, "--greet", "--relay", `ws://127.0.0.1:${relayPort}`]);
    stops.unshift(peer.stop);

    await printAddresses(port, relayPort, room);
    const early = await Promise.race([stopped.then(() => "stopped"), peer.ended]);
    if (early !== "stopped") {
      say(yellow(`  The Node peer has ended (code ${early}); relay and page go on. What it said last stands above.`));
      await stopped;
    }
    say("\nStopping.");
    return 0;
  } finally {
    for (const stop of stops) await stop();
  }
});
