// Managers for tests that only Node can show: started, watched, and stopped in the end whatever happens.

import type { NetworkEvents, NetworkManagerOptions } from "linknet";
import { NetworkManager } from "linknet";
import { onTestFinished } from "vitest";

const DEADLINE_MS = 10_000;

/** A manager that knows no relay unless told, listens on the loopback, and is stopped when the test is over. */
export function manager(options: NetworkManagerOptions = {}): NetworkManager {
  const net = new NetworkManager({ host: "127.0.0.1", ...options });
  onTestFinished(() => net.stop());
  return net;
}

export async function started(options: NetworkManagerOptions = {}, port = 0): Promise<NetworkManager> {
  const net = manager(options);
  await net.start(port);
  return net;
}

export function portOf(net: NetworkManager): number {
  const port = net.getLocalPort();
  if (port === null) throw new Error("not started");
  return port;
}

/** The next event that fits. Listen before you act. */
export function next<Name extends keyof NetworkEvents>(
  net: NetworkManager,
  name: Name,
  fits: (event: NetworkEvents[Name]) => boolean = () => true,
): Promise<NetworkEvents[Name]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no such ${name} event within ${DEADLINE_MS} ms`)), DEADLINE_MS);
    const stop = net.on(name, (event) => {
      if (!fits(event)) return;
      clearTimeout(timer);
      stop();
      resolve(event);
    });
  });
}

/** Everything of one kind that a manager tells from now on. */
export function record<Name extends keyof NetworkEvents>(net: NetworkManager, name: Name): NetworkEvents[Name][] {
  const events: NetworkEvents[Name][] = [];
  net.on(name, (event) => events.push(event));
  return events;
}
