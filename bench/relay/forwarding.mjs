// Sender and receiver of forwarded frames, each in its process. The receiver checks every frame, and tells the sender, through the server,
// how many have come: so the sender has no more under way than the window, whatever is in the middle.

import { BEGIN, binaryMessages, END } from "../lib/messages.mjs";
import { connect, forwardFrame, HEADER_BYTES, payloadOf } from "./client.mjs";

/** Frames under way: enough to keep three processes busy on two cores, and less than the relay is told to queue. */
const WINDOW_FRAMES = 1_024;
const TELL_EVERY = 128;
/** Marks "so many have come". */
const CREDIT = 3;

/** @typedef {{ kind: "relay" | "bare", url: string, bytes: number }} Task */

/** @type {import("./client.mjs").RelayClient} */
let client;

/** @param {Task} task @returns {Promise<string>} who it is, as hexadecimal text */
export async function open({ kind, url }) {
  client = await connect(kind, url);
  return client.id.toString("hex");
}

/** The receiver's part. @param {Task} task @param {string} senderId */
export function receive({ bytes }, senderId) {
  const source = binaryMessages(bytes);
  const sender = Buffer.from(senderId, "hex");
  let expected = 0;
  /** @param {number} kind @param {number} value */
  const tell = (kind, value) => {
    const control = source.control(kind, value);
    const frame = forwardFrame(sender, control.length);
    control.copy(frame, HEADER_BYTES);
    client.ws.send(frame);
  };
  client.onFrame = (frame) => {
    const payload = payloadOf(frame);
    const control = source.asControl(payload);
    if (!control) {
      if (!source.check(expected, payload)) throw new Error(`frame ${expected} is missing, or not what was sent`);
      if (++expected % TELL_EVERY === 0) tell(CREDIT, expected);
    } else if (control.kind === BEGIN) {
      expected = 0;
      tell(BEGIN, 0);
    } else {
      tell(END, expected);
    }
  };
}

/**
 * The sender's part.
 * @param {Task} task
 * @param {string} receiverId
 * @param {number} ms
 * @returns {Promise<{ frames: number, seconds: number }>}
 */
export async function send({ bytes }, receiverId, ms) {
  const source = binaryMessages(bytes);
  const receiver = Buffer.from(receiverId, "hex");
  // One for all: `ws` masks into a copy.
  const frame = forwardFrame(receiver, bytes);
  let sent = 0;
  let confirmed = 0;
  /** @type {(value: number) => void} */
  let onAnswer = () => undefined;
  let wake = () => {};
  client.onFrame = (arrived) => {
    const control = source.asControl(payloadOf(arrived));
    if (!control) throw new Error("not what the receiver tells");
    if (control.kind === CREDIT) {
      confirmed = control.value;
      wake();
    } else onAnswer(control.value);
  };
  /** @param {number} kind @param {number} value @returns {Promise<number>} */
  const ask = (kind, value) => {
    const control = source.control(kind, value);
    const question = forwardFrame(receiver, control.length);
    control.copy(question, HEADER_BYTES);
    return new Promise((resolve) => {
      onAnswer = resolve;
      client.ws.send(question);
    });
  };

  await ask(BEGIN, 0);
  const startedAt = performance.now();
  while (performance.now() - startedAt < ms) {
    // One write for all that the window takes: so the server has to keep up with the sender, and not the other way round.
    client.socket.cork();
    while (sent - confirmed < WINDOW_FRAMES) {
      source.make(sent).copy(frame, HEADER_BYTES);
      client.ws.send(frame);
      sent++;
    }
    client.socket.uncork();
    await new Promise((resolve) => {
      wake = () => resolve(undefined);
    });
  }
  const arrived = await ask(END, sent);
  if (arrived !== sent) throw new Error(`${arrived} frames arrived of ${sent}`);
  return { frames: sent, seconds: (performance.now() - startedAt) / 1000 };
}
