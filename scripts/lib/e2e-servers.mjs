// What the browser tests need around them: relay, recorder, pages and a Node peer. Playwright starts and ends this program.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { CONTROL_PORT, GREETED_ROOM, HIDDEN_RELAY_PORT, PAGE_PORT, RELAY_PORT, RELAY_URL } from "./e2e-ports.mjs";
import { listen } from "./listen.mjs";
import { main } from "./main.mjs";
import { createPageServer } from "./page-server.mjs";
import { startChatPeer } from "./processes.mjs";
import { startRelay } from "./relay.mjs";
import { createControlServer, RelayRecorder } from "./relay-recorder.mjs";
import { ROOT, StepError } from "./run.mjs";

const LOCAL = "127.0.0.1";

await main(async () => {
  if (!existsSync(join(ROOT, "dist/demo-web/main.js"))) throw new StepError('Nothing is built yet: run "npm run build" first.');

  const publicUrls = ["localhost", LOCAL].map((host) => `ws://${host}:${RELAY_PORT}`);
  const relay = await startRelay({ port: HIDDEN_RELAY_PORT, host: LOCAL, publicUrls });
  const recorder = new RelayRecorder(`ws://${LOCAL}:${HIDDEN_RELAY_PORT}`);
  await listen(recorder.createServer(), RELAY_PORT, LOCAL);

  const folders = {
    "/": join(ROOT, "dist/demo-web"),
    "/contract/": join(ROOT, "test/contract/contract-page"),
    "/sdk/": join(ROOT, "dist/browser"),
  };
  await listen(createPageServer({ folders, relayPort: RELAY_PORT }), PAGE_PORT, LOCAL);

  const peer = startChatPeer("node peer", [GREETED_ROOM, "--greet", "--relay", RELAY_URL]);
  // Playwright waits for this one, so it comes last.
  await listen(createControlServer(recorder), CONTROL_PORT, LOCAL);

  await new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  await peer.stop();
  await relay.stop();
  // Open sockets of pages that were not closed must not keep us here.
  process.exit(0);
});
