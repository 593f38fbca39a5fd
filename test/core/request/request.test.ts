// Request and response between two managers: replies, refusals, giving up, and what a session's fate means for both.

import { describe, expect, test } from "vitest";
import { NetworkError } from "../../../src/core/errors.js";
import { text } from "../../../src/core/message/define-message.js";
import type { Message } from "../../../src/core/message/message.js";
import { RequestError } from "../../../src/core/request/request-error.js";
import { refusal } from "../refusal.js";
import { connect, connectedPair, follow, gate } from "./request-pair.js";

describe("a request", () => {
  test("resolves to the reply, and neither reaches a message callback or an event", async () => {
    const { net, alice, bob } = await connectedPair();
    const told: string[] = [];
    for (const node of [alice, bob]) {
      node.manager.on("delivered", () => told.push("delivered"));
      node.manager.on("message", () => told.push("message"));
    }
    const heard: Message[] = [];
    bob.manager.handle<number>("add", (message, { peerId }) => {
      heard.push(message);
      expect(peerId).toBe(alice.manager.peerId);
      return message.payload + 1;
    });
    const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "add", payload: 41 }));
    await net.run(100);
    expect(outcome.value).toMatchObject({ type: "add", payload: 42, senderId: bob.manager.peerId, id: heard[0]?.id });
    expect(heard).toMatchObject([{ type: "add", payload: 41, senderId: alice.manager.peerId }]);
    expect([told, alice.messages, bob.messages, alice.errors, bob.errors]).toEqual([[], [], [], [], []]);
    // The time limit went with the reply.
    await net.run(60_000);
    expect(outcome.error).toBeUndefined();
  });

  test.each<[string, (value: unknown) => unknown]>([
    ["at once", (value) => value],
    ["by a promise", async (value) => value],
    // biome-ignore lint/suspicious/noThenProperty: any thenable is a promise for await, and here too
    ["by a thenable", (value) => ({ then: (done: (value: unknown) => void) => done(value) })],
  ])("takes every kind of reply, given %s", async (_name, give) => {
    const { net, alice, bob } = await connectedPair();
    const large = new Uint8Array(70_000).map((_, i) => i);
    const replies: [unknown, Partial<Message>][] = [
      [undefined, { payload: undefined }],
      [null, { payload: null }],
      [{ type: 5, payload: 1 }, { payload: { type: 5, payload: 1 } }],
      [{ type: "kind" }, { payload: { type: "kind" } }],
      [Uint8Array.of(1, 2, 3), { payload: Uint8Array.of(1, 2, 3) }],
      [large, { payload: large }],
      [
        { type: "other", payload: [1] },
        { type: "other", payload: [1] },
      ],
      [text("words"), { type: "text", payload: "words" }],
    ];
    for (const [reply, expected] of replies) {
      bob.manager.handle("ask", () => give(reply));
      const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "ask", payload: null }));
      await net.run(100);
      expect(outcome.value).toMatchObject({ type: "ask", ...expected });
    }
  });

  test("may carry bytes, and come back as it was sent", async () => {
    const { net, alice, bob } = await connectedPair();
    bob.manager.handle("echo", (message) => message);
    const payload = new Uint8Array(70_000).map((_, i) => i * 7);
    const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "echo", payload }, { lane: "bulk" }));
    await net.run(200);
    expect(outcome.value).toMatchObject({ type: "echo", payload });
  });

  test("draws its own id each time, so the same message can be asked twice at once", async () => {
    const { net, alice, bob } = await connectedPair();
    const ids: string[] = [];
    bob.manager.handle("text", ({ id }) => ids.push(id));
    const message = text("again");
    const outcomes = [1, 2].map(() => follow(alice.manager.request(bob.manager.peerId, message)));
    await net.run(100);
    expect(outcomes.map(({ value }) => (value as Message).payload)).toEqual([1, 2]);
    expect(new Set([...ids, message.id]).size).toBe(3);
  });

  test("is one of a thousand each way, and each gets its own reply", async () => {
    const { net, alice, bob } = await connectedPair();
    const ask = (from: typeof alice, to: typeof bob): Promise<Message<number>>[] =>
      Array.from({ length: 1_000 }, (_, payload) => from.manager.request<number>(to.manager.peerId, { type: "double", payload }));
    for (const node of [alice, bob]) node.manager.handle<number>("double", async ({ payload }) => payload * 2);
    const replies = Promise.all([...ask(alice, bob), ...ask(bob, alice)]);
    await net.run(1_000);
    const expected = Array.from({ length: 1_000 }, (_, i) => 2 * i);
    expect((await replies).map(({ payload }) => payload)).toEqual([...expected, ...expected]);
  });

  test("gets its own reply when replies come in another order", async () => {
    const { net, alice, bob } = await connectedPair();
    const gates = [gate<string>(), gate<string>(), gate<string>()];
    bob.manager.handle<number>("wait", ({ payload }) => gates[payload]?.opened);
    const outcomes = gates.map((_, payload) => follow(alice.manager.request(bob.manager.peerId, { type: "wait", payload })));
    await net.run(50);
    for (const number of [2, 0, 1]) {
      gates[number]?.open(`reply ${number}`);
      await net.run(50);
      expect((outcomes[number]?.value as Message | undefined)?.payload).toBe(`reply ${number}`);
    }
  });
});

describe("a handler", () => {
  test("refuses with a code of its own; its text stays here, and nobody is told of an error", async () => {
    const { net, alice, bob } = await connectedPair();
    bob.manager.handle("ask", async () => {
      throw new RequestError("NOT_FOUND", "there is no /home/bob/secret");
    });
    const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "ask", payload: 1 }));
    await net.run(100);
    const expected = { code: "ERR_REQUEST_FAILED", remoteCode: "NOT_FOUND", peerId: bob.manager.peerId, retryable: false };
    expect(outcome.error).toBeInstanceOf(NetworkError);
    expect(outcome.error).toMatchObject(expected);
    expect(outcome.error?.message).not.toContain("secret");
    expect([alice.errors, bob.errors]).toEqual([[], []]);
  });

  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("secret");
      },
    ],
    ["rejects", () => Promise.reject(new Error("secret"))],
    ["throws an error of the SDK", () => Promise.reject(new NetworkError("ERR_REQUEST_TIMEOUT", "secret"))],
    ["gives what cannot be sent", () => () => "secret"],
    ["gives a message without a type", () => ({ type: "", payload: 1 })],
    ["gives too much", () => new Uint8Array(17 * 1024 * 1024)],
    [
      "gives an object with a getter that throws",
      () => ({
        get type() {
          throw new Error("secret");
        },
      }),
    ],
  ])("that %s answers INTERNAL without a word, and the error callback here is told", async (_name, handler) => {
    const { net, alice, bob } = await connectedPair();
    bob.manager.handle("ask", handler);
    const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "ask", payload: 1 }));
    await net.run(100);
    expect(outcome.error).toMatchObject({ code: "ERR_REQUEST_FAILED", remoteCode: "INTERNAL" });
    expect(outcome.error?.message).not.toContain("secret");
    expect(bob.errors.map(({ code }) => code)).toEqual(["ERR_CALLBACK_THREW"]);
    expect(alice.errors).toEqual([]);
    expect(bob.statuses.at(-1)).toBe("connected");
  });

  test("that is missing makes it ERR_REQUEST_UNHANDLED, and the request reaches no message callback", async () => {
    const { net, alice, bob } = await connectedPair();
    bob.manager.handle("other", () => 1);
    const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "ask", payload: 1 }));
    await net.run(100);
    expect(outcome.error).toMatchObject({ code: "ERR_REQUEST_UNHANDLED", peerId: bob.manager.peerId });
    expect(bob.messages).toEqual([]);
  });

  test("can be replaced and removed; what removes the old one leaves the new one alone", async () => {
    const { net, alice, bob } = await connectedPair();
    const ask = async (): Promise<unknown> => {
      const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "ask", payload: 1 }));
      await net.run(100);
      return outcome.error?.code ?? (outcome.value as Message).payload;
    };
    const handler = (): string => "same";
    const removeFirst = bob.manager.handle("ask", handler);
    expect(await ask()).toBe("same");
    const removeSecond = bob.manager.handle("ask", handler);
    removeFirst();
    expect(await ask()).toBe("same");
    const removeThird = bob.manager.handle("ask", () => "third");
    removeSecond();
    expect(await ask()).toBe("third");
    removeThird();
    removeThird();
    expect(await ask()).toBe("ERR_REQUEST_UNHANDLED");
  });

  test("that is removed while it runs still answers", async () => {
    const { net, alice, bob } = await connectedPair();
    const { opened, open } = gate();
    const remove = bob.manager.handle("ask", () => opened);
    const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "ask", payload: 1 }));
    await net.run(50);
    remove();
    open();
    await net.run(50);
    expect(outcome.value).toMatchObject({ type: "ask" });
  });

  test("must be a function, and its type text", async () => {
    const { bob } = await connectedPair();
    expect(refusal(() => bob.manager.handle("", () => 1)).code).toBe("ERR_MESSAGE_INVALID");
    expect(refusal(() => bob.manager.handle("ask", undefined as never)).code).toBe("ERR_OPTION_INVALID");
  });

  test("outlives stop() and start()", async () => {
    const { net, alice, bob } = await connectedPair();
    bob.manager.handle("ask", () => "still here");
    const stopped = bob.manager.stop();
    await net.run(3_000);
    await stopped;
    await bob.manager.start();
    await connect(net, alice, "near://10.0.0.2:1000");
    const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "ask", payload: 1 }));
    await net.run(100);
    expect(outcome.value).toMatchObject({ payload: "still here" });
  });
});

describe("a code of a refusal", () => {
  test.each(["", "a", "NOT FOUND", "NOT-FOUND", "Ä", "X".repeat(65), "OK\n"])("is not %j", (code) => {
    expect(refusal(() => new RequestError(code)).code).toBe("ERR_OPTION_INVALID");
  });

  test("has up to 64 characters, and is the text where there is none", () => {
    expect(new RequestError("X_9".padEnd(64, "A")).code.length).toBe(64);
    expect(new RequestError("NOT_FOUND").message).toBe("NOT_FOUND");
    expect(new RequestError("NOT_FOUND", "words")).toMatchObject({ name: "RequestError", message: "words" });
  });
});

describe("a call that cannot be made", () => {
  test("is refused before anything is sent", async () => {
    const { net, alice, bob } = await connectedPair();
    const heard: unknown[] = [];
    bob.manager.handle("ask", ({ payload }) => heard.push(payload));
    const to = bob.manager.peerId;
    const reason = new Error("changed my mind");
    const outcomes = [
      follow(alice.manager.request("nobody", { type: "ask", payload: 1 })),
      follow(alice.manager.request(to, { type: "", payload: 1 })),
      follow(alice.manager.request(to, { type: "ask", payload: () => 1 })),
      ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31].map((timeoutMs) =>
        follow(alice.manager.request(to, { type: "ask", payload: 1 }, { timeoutMs })),
      ),
      follow(alice.manager.request(to, { type: "ask", payload: 1 }, { signal: AbortSignal.abort(reason) })),
    ];
    await net.run(100);
    expect(outcomes.map(({ error }) => error?.code ?? error)).toEqual([
      "ERR_PEER_UNKNOWN",
      "ERR_MESSAGE_INVALID",
      "ERR_MESSAGE_INVALID",
      ...new Array(5).fill("ERR_OPTION_INVALID"),
      reason,
    ]);
    expect(heard).toEqual([]);
  });

  test("before start is ERR_STATE_NOT_STARTED", async () => {
    const { net, alice, bob } = await connectedPair();
    const stopped = alice.manager.stop();
    await net.run(3_000);
    await stopped;
    const outcome = follow(alice.manager.request(bob.manager.peerId, { type: "ask", payload: 1 }));
    await net.run(1);
    expect(outcome.error?.code).toBe("ERR_STATE_NOT_STARTED");
  });
});
