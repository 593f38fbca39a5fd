// The relay on the public host of the laboratory: one at each of its two addresses, with STUN. Clients use the first.
// Argument: { module, addresses, port } as JSON.

import { serve } from "./lines.mjs";

const { module, addresses, port } = JSON.parse(process.argv[2] ?? "{}");

/** @type {typeof import("../../../src/server/index.js")} */
const { createRelay } = await import(module);
/** @type {import("../../../src/server/index.js").Relay[]} */
const relays = [];
for (const host of addresses) relays.push(await createRelay({ host, port }));

serve({ status: () => ({ clients: relays[0]?.clients }) }, () => Promise.all(relays.map((relay) => relay.close())));
