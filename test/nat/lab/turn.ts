// A TURN server on the public segment of the laboratory, which is not ours: Debian's coturn.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lab } from "./lab.js";
import type { Program } from "./program.js";

const PORT = 3478;
const USERNAME = "lab";
const CREDENTIAL = "static secret";
/** It has so long to come up. */
const START_MS = 15_000;

export class TurnServer implements AsyncDisposable {
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  #log = "";

  private constructor(address: string, child: ChildProcess, folder: string) {
    this.address = address;
    this.#child = child;
    this.#folder = folder;
    for (const output of [child.stdout, child.stderr]) {
      output?.on("data", (chunk) => {
        this.#log = (this.#log + chunk).slice(-4_000);
      });
    }
  }

  /** Starts one on the relay's host. It may not be up yet: see {@link reachedBy}. */
  static start(lab: Lab): TurnServer {
    const [address] = lab.relayAddresses;
    const folder = mkdtempSync(join(tmpdir(), "linknet-turn-"));
    const files = ["--log-file", "stdout", "--pidfile", join(folder, "pid"), "--userdb", join(folder, "db")];
    const account = ["--lt-cred-mech", "--realm", "lab", "--user", `${USERNAME}:${CREDENTIAL}`];
    const where = ["--listening-ip", address, "--relay-ip", address, "--listening-port", String(PORT)];
    const args = ["-n", "--no-tls", "--no-dtls", "--no-cli", ...files, ...account, ...where];
    const [command, all] = lab.command("relay", "turnserver", args);
    return new TurnServer(address, spawn(command, all, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] }), folder);
  }

  /** For the option `iceServers`. */
  iceServers(transport: "udp" | "tcp"): readonly object[] {
    return [{ urls: `turn:${this.address}:${PORT}?transport=${transport}`, username: USERNAME, credential: CREDENTIAL }];
  }

  /** Waits until an agent can connect to it. @throws when that is never */
  async reachedBy(agent: Program): Promise<void> {
    const deadline = performance.now() + START_MS;
    for (;;) {
      const reached = await agent.request("roundTrip", { address: this.address, port: PORT }).catch(() => null);
      if (reached !== null) return;
      if (performance.now() > deadline || this.#child.exitCode !== null) throw new Error(`coturn does not answer: ${this.#log}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "close");
    if (this.#child.kill("SIGKILL")) await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
