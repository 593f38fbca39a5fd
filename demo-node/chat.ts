// `linknet chat`: the room of the chat page, in a terminal. It uses the public API of the package and nothing else.

import { renderUnicodeCompact } from "uqr";
import { displayName } from "../demo-web/chat/names.js";
import { COMMANDS_HELP, findPeers, pathText, peersTable } from "./chat-lines.js";
import { CHAT_HELP, type ChatOptions, parseChatOptions } from "./chat-options.js";
import { ChatRoom, sentence } from "./chat-room.js";
import { loadWebRtc } from "./load-webrtc.js";
import { enableColours, styleText } from "./style-text.js";
import { Terminal } from "./terminal.js";

/**
 * Runs `linknet chat` until somebody leaves.
 * @param argv - what follows `chat`, such as `["garden", "--name", "Ada"]`
 * @returns the exit code: 0, 1 when the room could not be joined, 2 when an option is wrong
 */
export async function runChatCommand(argv: readonly string[]): Promise<number> {
  const options = parseChatOptions(argv, process.env);
  if (options === "help") {
    process.stdout.write(CHAT_HELP);
    return 0;
  }
  if ("problem" in options) {
    process.stderr.write(`linknet chat: ${options.problem}. See linknet chat --help.\n`);
    return 2;
  }
  enableColours(process.stdout.isTTY === true, process.env);
  return chat(options);
}

async function chat(options: ChatOptions): Promise<number> {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  for (const signal of SIGNALS) process.once(signal, end);
  // A peer that only greets leaves its input alone, unless a person sits there.
  const reads = !options.greet || process.stdin.isTTY === true;
  const terminal = new Terminal({ line: (text) => typed(text), end }, reads);
  let room: ChatRoom | null = null;
  const typed = (text: string): void => {
    if (room) runLine(room, terminal, text, end);
  };
  try {
    room = new ChatRoom(options, terminal, options.webrtc ? await loadWebRtc() : undefined);
    const opened = room.open().then(() => true);
    // Whoever leaves before the room was joined does not hear that joining failed.
    opened.catch(() => undefined);
    if (await Promise.race([opened, ended.then(() => false)])) {
      welcome(options, room, terminal);
      await ended;
    }
    return 0;
  } catch (error) {
    process.stderr.write(`linknet chat: ${sentence(error)}\n`);
    return 1;
  } finally {
    for (const signal of SIGNALS) process.off(signal, end);
    terminal.close();
    await room?.close();
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function welcome(options: ChatOptions, room: ChatRoom, terminal: Terminal): void {
  const place = options.room === null ? "a direct chat" : `the room ${displayName(options.room, "")}`;
  terminal.print(`You are ${styleText("bold", options.name)} in ${styleText("bold", place)}, end-to-end encrypted.`);
  const port = room.net.getLocalPort();
  const listening = port === null ? "" : `Listening on port ${port}. `;
  terminal.print(styleText("dim", `${listening}${terminal.interactive ? "/help lists the commands." : ""}`.trim()));
}

/** One typed line: a command, or something to say. */
function runLine(room: ChatRoom, terminal: Terminal, line: string, end: () => void): void {
  const text = line.trim();
  if (text === "") return;
  const [, command, rest = ""] = /^\/([a-z]+)(?:\s+(.*))?$/is.exec(text) ?? [];
  if (command === undefined) return room.say(text);
  switch (command.toLowerCase()) {
    case "help":
      return terminal.print(COMMANDS_HELP.replace(/^/gm, "      "));
    case "peers":
      void room.measure(room.peers.map(({ id }) => id)).then(() => terminal.print(peersTable(room.peers)));
      return;
    case "send":
      if (rest === "") return room.problem("Which file? Such as: /send photo.png");
      room.files
        .send(
          rest,
          room.peers.map(({ id }) => id),
        )
        .catch((error: unknown) => room.problem(sentence(error)));
      return;
    case "fingerprint":
      return showFingerprints(room, rest);
    case "explain":
      void showPaths(room, terminal, rest);
      return;
    case "ticket":
      return showTicket(room, terminal);
    case "quit":
    case "exit":
      return end();
    default:
      return room.problem(`There is no command /${command.slice(0, 32)}. /help lists them.`);
  }
}

function showFingerprints(room: ChatRoom, typed: string): void {
  const found = findPeers(room.peers, typed);
  if (found.length === 0)
    return room.problem(typed === "" ? "Nobody else is here yet." : "Nobody here has that name. /peers lists them.");
  room.event("Compare these digits by phone or in person. If both see the same, nobody is in between.");
  for (const { id } of found) room.event(`${room.net.fingerprint(id)}  ${room.nameOf(id)}`);
}

/** Why the paths are what they are, to those whom somebody named, or to all. */
async function showPaths(room: ChatRoom, terminal: Terminal, typed: string): Promise<void> {
  const found = findPeers(room.peers, typed);
  if (found.length === 0)
    return room.problem(typed === "" ? "Nobody else is here yet." : "Nobody here has that name. /peers lists them.");
  for (const { id } of found) {
    try {
      terminal.print(pathText(await room.net.explain(id), room.nameOf(id), terminal.columns));
    } catch (error) {
      // Somebody who left in this moment.
      room.problem(sentence(error));
    }
  }
}

function showTicket(room: ChatRoom, terminal: Terminal): void {
  const ticket = room.net.ticket();
  terminal.print(ticket);
  if (terminal.interactive) terminal.print(renderUnicodeCompact(ticket, { border: 2 }));
  room.event("It is good until you leave. Use it with: linknet chat --ticket TICKET");
}
