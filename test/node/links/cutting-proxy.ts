// A TCP proxy on the loopback that breaks what passes through it: by a plan, or on command.

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { CUT_KINDS, type Cut, type CutKind, type Cuts, type Side } from "./cut-plan.js";

/** One connection through the proxy: two sockets, and what passes between them. */
interface Pair {
  readonly dialler: Socket;
  readonly listener: Socket;
  readonly cut: Cut | null;
  /** Bytes handed on, both directions together. */
  passed: number;
  /** Neither side hears from the other any more, though nothing was closed. */
  stalled: boolean;
  /** One side was told of the end; what it says to that is kept from the other. */
  halfClosed: boolean;
  /** How many bytes of the next chunk pass before the end; `null` for all. */
  part: number | null;
  over: boolean;
}

/** Every socket of the proxy ends here, whatever its sides do: in ms after the proxy has closed its half. */
const LINGER_MS = 1_000;

export class CuttingProxy {
  readonly #server: Server;
  readonly #plan: Cuts | null;
  readonly #pairs = new Set<Pair>();
  /** Every socket that is not closed, those of connections that are over included. */
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #refusing = false;
  /** Where new connections lead: a port on the loopback. */
  target: number;
  /** Connections that were cut, by kind. */
  readonly cuts: Record<CutKind, number> = { reset: 0, close: 0, halfClose: 0, stall: 0, truncate: 0, refuse: 0 };
  /** Connections that were taken. */
  accepted = 0;
  /** Connections that were refused. */
  refused = 0;
  /** Bytes handed on, of all connections and both directions. */
  passedBytes = 0;

  private constructor(server: Server, target: number, plan: Cuts | null) {
    this.#server = server;
    this.target = target;
    this.#plan = plan;
    server.on("connection", (socket) => this.#accept(socket));
  }

  /** @param plan - what happens to each connection; without one they live until told otherwise */
  static async open(target: number, plan: Cuts | null = null): Promise<CuttingProxy> {
    // Ends are handed on by hand: that one side has closed must not close the other by itself.
    const server = createServer({ allowHalfOpen: true });
    const proxy = new CuttingProxy(server, target, plan);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are neither closed nor stalled. */
  get live(): number {
    return [...this.#pairs].filter((pair) => !pair.stalled && !pair.halfClosed).length;
  }

  get cutCount(): number {
    return CUT_KINDS.reduce((sum, kind) => sum + this.cuts[kind], 0);
  }

  // ---- commands, each for all connections that there are -----------------------------------------------------------------

  /** Both sides get a reset; what was under way is lost. */
  reset(): void {
    for (const pair of [...this.#pairs]) this.#reset(pair);
  }

  /** Both sides see a clean end. */
  close(): void {
    for (const pair of [...this.#pairs]) this.#close(pair);
  }

  /** One side sees a clean end, the other one nothing. */
  halfClose(side: Side): void {
    for (const pair of [...this.#pairs]) this.#halfClose(pair, side);
  }

  /** Nothing passes any more, and nobody is told. */
  stall(): void {
    for (const pair of [...this.#pairs]) this.#stall(pair);
  }

  /** So many bytes of the next chunk pass, then both sides see an end. */
  truncate(bytes: number): void {
    for (const pair of this.#pairs) pair.part = bytes;
  }

  /** New connections are reset, until {@link acceptAgain}. */
  refuse(): void {
    this.#refusing = true;
  }

  acceptAgain(): void {
    this.#refusing = false;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const pair of [...this.#pairs]) this.#reset(pair);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  // ---- what passes -------------------------------------------------------------------------------------------------------

  #accept(dialler: Socket): void {
    dialler.on("error", () => undefined);
    if (this.#refusing) {
      this.refused++;
      dialler.resetAndDestroy();
      return;
    }
    this.accepted++;
    const listener = connect({ host: "127.0.0.1", port: this.target, allowHalfOpen: true, noDelay: true });
    dialler.setNoDelay(true);
    const cut = this.#plan?.next() ?? null;
    const pair: Pair = { dialler, listener, cut, passed: 0, stalled: false, halfClosed: false, part: null, over: false };
    this.#pairs.add(pair);
    listener.on("error", () => this.#reset(pair));
    for (const socket of [dialler, listener]) {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    }
    this.#pump(pair, dialler, listener);
    this.#pump(pair, listener, dialler);
  }

  #pump(pair: Pair, from: Socket, to: Socket): void {
    from.on("data", (chunk: Buffer) => this.#pass(pair, from, to, chunk));
    to.on("drain", () => {
      if (!pair.stalled) from.resume();
    });
    from.on("end", () => {
      // Of a half-closed connection each side ends by itself.
      if (pair.halfClosed) from.end();
      else if (!pair.stalled) to.end();
    });
    from.on("close", (hadError) => {
      if (pair.over) return;
      if (to.destroyed) this.#forget(pair);
      else if (hadError && !pair.halfClosed && !pair.stalled) this.#reset(pair);
    });
  }

  #pass(pair: Pair, from: Socket, to: Socket, chunk: Buffer): void {
    if (pair.over || pair.stalled) return;
    if (pair.part !== null) {
      to.write(chunk.subarray(0, pair.part));
      this.#close(pair);
      return;
    }
    const { cut } = pair;
    const left = cut && !pair.halfClosed ? cut.afterBytes - pair.passed : Number.POSITIVE_INFINITY;
    const passing = chunk.length <= left ? chunk : chunk.subarray(0, left);
    pair.passed += passing.length;
    this.passedBytes += passing.length;
    if (passing.length > 0 && !to.write(passing)) from.pause();
    if (!cut || pair.halfClosed || pair.passed < cut.afterBytes) return;
    this.#execute(pair, cut);
    // The chunk that the plan ends in may be the one that is truncated.
    if (cut.kind === "truncate" && passing.length < chunk.length) this.#pass(pair, from, to, chunk.subarray(passing.length));
    else if (pair.halfClosed && passing.length < chunk.length) to.write(chunk.subarray(passing.length));
  }

  #execute(pair: Pair, cut: Cut): void {
    this.cuts[cut.kind]++;
    switch (cut.kind) {
      case "reset":
        return this.#reset(pair);
      case "close":
        return this.#close(pair);
      case "truncate":
        pair.part = cut.partBytes;
        return;
      case "halfClose":
        this.#halfClose(pair, cut.side);
        return this.#after(cut.forMs, () => this.#reset(pair));
      case "stall":
        this.#stall(pair);
        return this.#after(cut.forMs, () => this.#reset(pair));
      case "refuse":
        this.#reset(pair);
        this.refuse();
        return this.#after(cut.forMs, () => this.acceptAgain());
    }
  }

  #reset(pair: Pair): void {
    this.#forget(pair);
    pair.dialler.resetAndDestroy();
    pair.listener.resetAndDestroy();
  }

  #close(pair: Pair): void {
    this.#forget(pair);
    for (const socket of [pair.dialler, pair.listener]) {
      // What still comes is read and dropped: unread bytes would make a reset of the end.
      socket.resume();
      socket.end();
      this.#after(LINGER_MS, () => socket.destroy());
    }
  }

  #halfClose(pair: Pair, side: Side): void {
    pair.halfClosed = true;
    pair[side].end();
  }

  #stall(pair: Pair): void {
    pair.stalled = true;
    pair.dialler.pause();
    pair.listener.pause();
  }

  #forget(pair: Pair): void {
    pair.over = true;
    this.#pairs.delete(pair);
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }
}
