// The options of `linknet chat`, and its help.

import { hostname, userInfo } from "node:os";
import { parseArgs } from "node:util";
import { ownName } from "../demo-web/chat/names.js";

/** What `linknet chat --help` prints. */
export const CHAT_HELP = `linknet chat - chat in a room, in this terminal

Usage:
  linknet chat ROOM [options]
  linknet chat --ticket TICKET [options]

Options:
  --name NAME        what the others see (default: your user name)
  --relay URL        the relay to meet at (default: LINKNET_RELAY, or ws://127.0.0.1:8787)
  --port PORT        port to listen on (default: any free one)
  --ticket TICKET    also connect to the peer of this ticket
  --downloads DIR    where received files go (default: ./linknet-downloads; a greeter keeps none)
  --identity FILE    stay the same peer after a restart; the key in FILE is made when missing
  --greet            greet whoever comes, and answer "hello" and "/path?"
  --webrtc           also use WebRTC, where the package @roamhq/wrtc is installed
  --help             print this

In the chat, /help lists the commands. NO_COLOR=1 leaves out colours.
`;

/** The options, checked. */
export interface ChatOptions {
  /** `null` with a ticket only. */
  readonly room: string | null;
  readonly name: string;
  readonly relay: string;
  readonly port: number;
  readonly ticket: string | null;
  /** `null`: received files are not kept. */
  readonly downloads: string | null;
  /** File with our key; `null`: a new one each time. */
  readonly identity: string | null;
  readonly greet: boolean;
  readonly webrtc: boolean;
}

/**
 * Reads the command line.
 * @returns `"help"` when help is asked for, or a sentence that says what is wrong
 */
export function parseChatOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ChatOptions | "help" | { readonly problem: string } {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
  const { values, positionals } = parsed;
  if (values.help) return "help";
  const [room = null] = positionals;
  if (positionals.length > 1) return { problem: "give one room; put quotes around a name with spaces" };
  if (room === null && values.ticket === undefined) return { problem: "which room? Give its name, or a --ticket" };
  const port = Number(values.port);
  if (!/^\d{1,5}$/.test(values.port) || port > 65_535) return { problem: "--port must be a whole number from 0 to 65535" };
  return {
    room,
    name: ownName(values.name ?? (values.greet ? "Greeter" : userName())) || "somebody",
    relay: values.relay ?? env.LINKNET_RELAY ?? "ws://127.0.0.1:8787",
    port,
    ticket: values.ticket ?? null,
    downloads: values.downloads ?? (values.greet ? null : "linknet-downloads"),
    identity: values.identity ?? null,
    greet: values.greet,
    webrtc: values.webrtc,
  };
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      name: { type: "string" },
      relay: { type: "string" },
      port: { type: "string", default: "0" },
      ticket: { type: "string" },
      downloads: { type: "string" },
      identity: { type: "string" },
      greet: { type: "boolean", default: false },
      webrtc: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in the system's table, as in some containers.
    return hostname();
  }
}
