#!/usr/bin/env node
// The `linknet` command: hands over to one of its sub-commands and loads only that one.

import { readFileSync } from "node:fs";

const HELP = `linknet - peer-to-peer networking, end-to-end encrypted

Usage:
  linknet relay [options]        run a relay, which introduces peers to each other
  linknet chat ROOM [options]    chat in a room, in this terminal
  linknet doctor [options]       what NAT is in between, who can be reached, and what would help
  linknet --version              print the version
  linknet --help                 print this

"linknet relay --help", "linknet chat --help" and "linknet doctor --help" tell the options of each.
`;

type Command = (argv: string[]) => Promise<unknown>;

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  // Imported when they are asked for, so that a relay carries none of the SDK in memory.
  relay: async () => (await import("../server/relay-command.js")).runRelayCommand,
  doctor: async () => (await import("./doctor.js")).runDoctorCommand,
  chat: async () => (await import("../../demo-node/chat.js")).runChatCommand,
};

function version(): string {
  const path = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(path, "utf8")) as { version: string };
  return version;
}

/** @returns the exit code, or nothing where the command set it or goes on by itself */
async function main(argv: readonly string[]): Promise<number | undefined> {
  const [name, ...rest] = argv;
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  if (name === "--version" || name === "-v") {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (name === undefined) {
    process.stderr.write(HELP);
    return 2;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) {
    process.stderr.write(
      `linknet: there is no command ${JSON.stringify(name)}; the commands are relay, chat and doctor. See linknet --help.\n`,
    );
    return 2;
  }
  const run = await load();
  const code = await run(rest);
  return typeof code === "number" ? code : undefined;
}

main(process.argv.slice(2)).then(
  (code) => {
    if (code !== undefined) process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`linknet: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
