// The proxy does what the other tests take for granted: each cut is seen for what it is.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { CUT_KINDS, CutPlan } from "./cut-plan.js";
import type { CuttingProxy } from "./cutting-proxy.js";
import { proxyTo } from "./support.js";

interface Ends {
  readonly proxy: CuttingProxy;
  readonly dialler: Socket;
  readonly listener: Socket;
}

/** Two plain sockets with the proxy between them, through which one byte has gone each way. */
async function connected(plan: CutPlan | null = null): Promise<Ends> {
  const server = createServer({ allowHalfOpen: true });
  server.on("connection", (socket) => socket.on("error", () => undefined));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const accepted = once(server, "connection");
  const proxy = await proxyTo((server.address() as AddressInfo).port, plan);
  const dialler = connect({ host: "127.0.0.1", port: proxy.port, allowHalfOpen: true });
  const [listener] = (await accepted) as [Socket];
  dialler.on("error", () => undefined);
  onTestFinished(() => {
    for (const socket of [dialler, listener]) socket.destroy();
    server.close();
  });
  if (!plan) {
    dialler.write("1");
    await once(listener, "data");
    listener.write("2");
    await once(dialler, "data");
  }
  return { proxy, dialler, listener };
}

/** How a socket ends, as its owner sees it. */
function end(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
    socket.on("end", () => resolve("end"));
    socket.resume();
  });
}

describe("the cutting proxy", () => {
  test("reset: both sides see ECONNRESET", async () => {
    const { proxy, dialler, listener } = await connected();
    const ends = Promise.all([end(dialler), end(listener)]);
    proxy.reset();
    expect(await ends).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect(proxy.live).toBe(0);
  });

  test("close: both sides see an end", async () => {
    const { proxy, dialler, listener } = await connected();
    const ends = Promise.all([end(dialler), end(listener)]);
    proxy.close();
    expect(await ends).toEqual(["end", "end"]);
  });

  test.each(["dialler", "listener"] as const)(
    "halfClose: the %s sees an end, and the other side hears nothing of it",
    async (side) => {
      const ends = await connected();
      const [told, other] = side === "dialler" ? [ends.dialler, ends.listener] : [ends.listener, ends.dialler];
      let heard = false;
      for (const name of ["end", "error", "close"]) other.on(name, () => (heard = true));
      other.resume();
      const saw = end(told);
      ends.proxy.halfClose(side);
      expect(await saw).toBe("end");
      told.end();
      await once(told, "close");
      // What the other side sends still goes somewhere.
      await new Promise<void>((resolve, reject) => other.write("into the void", (error) => (error ? reject(error) : resolve())));
      expect(heard).toBe(false);
    },
  );

  test("stall: nothing passes, and nobody is told", async () => {
    const { proxy, dialler, listener } = await connected();
    const heard: string[] = [];
    for (const socket of [dialler, listener]) {
      for (const name of ["data", "end", "error", "close"]) socket.on(name, () => heard.push(name));
    }
    proxy.stall();
    dialler.write("x");
    listener.write("y");
    // A new connection passes all the same, and it is later than what was stalled.
    const second = connect(proxy.port, "127.0.0.1");
    await once(second, "connect");
    second.write("z");
    await once(second, "close", { signal: AbortSignal.timeout(100) }).catch(() => undefined);
    second.destroy();
    expect(heard).toEqual([]);
    expect(proxy.live).toBeLessThanOrEqual(1);
  });

  test("truncate: so many bytes of the next chunk pass, then both sides see an end", async () => {
    const { proxy, dialler, listener } = await connected();
    const ends = Promise.all([end(dialler), end(listener)]);
    const got: Buffer[] = [];
    listener.on("data", (chunk) => got.push(chunk));
    proxy.truncate(3);
    dialler.write("abcdef");
    expect(await ends).toEqual(["end", "end"]);
    expect(Buffer.concat(got).toString()).toBe("abc");
  });

  test("refuse: new connections are reset until they are accepted again", async () => {
    const { proxy } = await connected();
    proxy.refuse();
    const refused = connect(proxy.port, "127.0.0.1");
    expect(await end(refused)).toBe("ECONNRESET");
    expect(proxy.refused).toBe(1);
    proxy.acceptAgain();
    const taken = connect(proxy.port, "127.0.0.1");
    await once(taken, "connect");
    taken.destroy();
  });

  test("by a plan, exactly as many bytes pass as it says", async () => {
    const plan = { seed: 7, cuts: 1, meanBytes: 1_000, kinds: ["close"] } as const;
    const { afterBytes } = new CutPlan(plan).next() ?? { afterBytes: Number.NaN };
    const { proxy, dialler, listener } = await connected(new CutPlan(plan));
    let got = 0;
    listener.on("data", (chunk) => {
      got += chunk.length;
    });
    const ends = Promise.all([end(dialler), end(listener)]);
    dialler.write(Buffer.alloc(afterBytes + 500));
    await ends;
    expect(got).toBe(afterBytes);
    expect(proxy.cuts.close).toBe(1);
  });

  test("a plan repeats by its seed, has each kind as often, and ends", () => {
    const draw = (seed: number) => {
      const plan = new CutPlan({ seed, cuts: 12, meanBytes: 1_000 });
      return Array.from({ length: 14 }, () => plan.next());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    const kinds = draw(1).map((cut) => cut?.kind);
    for (const kind of CUT_KINDS) expect(kinds.filter((drawn) => drawn === kind)).toHaveLength(2);
    expect(kinds.slice(12)).toEqual([undefined, undefined]);
  });
});
