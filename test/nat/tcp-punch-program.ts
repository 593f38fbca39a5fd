// One side that punches by TCP with real sockets, on a host of the laboratory: signals go in and out as lines, by number of the attempt.

import { randomFillSync } from "node:crypto";
import type { Link } from "../../src/core/path/link.js";
import type { Negotiation } from "../../src/core/path/transport.js";
import { nodeClock } from "../../src/node/clock.js";
import { tcpPunch } from "../../src/node/tcp-punch.js";
import { nodeTcpPunch } from "../../src/node/tcp-punch-port.js";
import { now, serve, tell } from "./lab/lines.mjs";

const random = { bytes: (length: number) => randomFillSync(new Uint8Array(length)) };
const negotiate = tcpPunch(nodeTcpPunch(nodeClock, random));

const negotiations = new Map<number, Negotiation>();
const links = new Map<number, Link>();

serve({
  begin({ attempt, initiator, stunServers }: { attempt: number; initiator: boolean; stunServers: string[] }) {
    const began = now();
    const negotiation = negotiate({
      initiator,
      stunServers,
      signal: new AbortController().signal,
      mayContact: () => true,
      note: (text) => tell("note", { attempt, text: `${Math.round(now() - began)} ms: ${text}` }),
      sendSignal: (signal) => tell("signal", { attempt, signal }),
    });
    negotiations.set(attempt, negotiation);
    negotiation.link.then(
      (link) => {
        links.set(attempt, link);
        tell("end", { attempt, outcome: "link", at: now() });
        link.attach({
          frame: (frame) => tell("frame", { attempt, text: new TextDecoder().decode(frame) }),
          drain: () => undefined,
          closed: () => tell("closed", { attempt }),
        });
        // As the handshake does: the initiator speaks first.
        if (initiator) link.send(new TextEncoder().encode("hello"));
      },
      (error) => tell("end", { attempt, outcome: error.code ?? String(error), at: now() }),
    );
    return began;
  },
  signal({ attempt, value }: { attempt: number; value: unknown }) {
    negotiations.get(attempt)?.receiveSignal(value);
  },
  send({ attempt, text }: { attempt: number; text: string }) {
    links.get(attempt)?.send(new TextEncoder().encode(text));
  },
  close({ attempt }: { attempt: number }) {
    links.get(attempt)?.close();
  },
});
