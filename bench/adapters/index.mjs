// The systems that Node workloads know. A new one is a module here, with `createAdapter(system)`, and a line in the list.

/** @typedef {import("../lib/types.js").System} System */

/** @param {string} name */
const here = (name) => new URL(name, import.meta.url).href;

const LINKNET = here("linknet.mjs");

/** @type {System[]} */
const systems = [
  { name: "net", title: "`net`, one write per message, no crypto", module: here("net.mjs"), packages: [] },
  { name: "tls", title: "`node:tls` 1.3 (AES-256-GCM)", module: here("tls.mjs"), packages: [] },
  {
    name: "tls-mutual",
    title: "`node:tls` 1.3, both sides with a certificate",
    module: here("tls.mjs"),
    packages: [],
    settings: { mutual: "yes" },
  },
  { name: "net-aesgcm", title: "`net` + AES-256-GCM, batched records (the floor)", module: here("net-aesgcm.mjs"), packages: [] },
  {
    name: "net-resend",
    title: "the same in records of Noise, with a copy of each message for sending it again",
    module: here("net-aesgcm.mjs"),
    packages: [],
    settings: { resend: "yes" },
  },
  { name: "ws", title: "`ws`, no crypto", module: here("ws.mjs"), packages: ["ws"] },
  {
    name: "secret-stream",
    title: "@hyperswarm/secret-stream over TCP",
    module: here("secret-stream.mjs"),
    packages: ["@hyperswarm/secret-stream"],
    settings: { transport: "tcp" },
  },
  {
    name: "secret-stream-udx",
    title: "the same over udx",
    module: here("secret-stream.mjs"),
    packages: ["@hyperswarm/secret-stream", "udx-native"],
    settings: { transport: "udx" },
  },
  {
    name: "libp2p",
    title: "libp2p (tcp + noise + yamux)",
    module: here("libp2p.mjs"),
    packages: ["libp2p", "@libp2p/tcp", "@chainsafe/libp2p-noise", "@chainsafe/libp2p-yamux"],
  },
  { name: "linknet", title: "**LinkNet** over TCP", module: LINKNET, packages: [], settings: { transport: "tcp" } },
  { name: "linknet-udp", title: "**LinkNet** over UDP (udx)", module: LINKNET, packages: [], settings: { transport: "udp" } },
  {
    name: "linknet-ws",
    title: "**LinkNet** over WebSocket",
    module: LINKNET,
    packages: [],
    settings: { transport: "websocket" },
  },
];

/** @param {string} dist Adds LinkNet as another folder has it built: how a change is compared with what was there before. */
export function addOtherBuild(dist) {
  systems.push({
    name: "linknet-other",
    title: "LinkNet over TCP, the other build",
    module: LINKNET,
    packages: [],
    settings: { transport: "tcp", dist },
  });
}

/** @returns {readonly System[]} */
export const allSystems = () => systems;

/**
 * @param {string} name
 * @throws Error when there is no such system
 */
export function findSystem(name) {
  const system = systems.find((one) => one.name === name);
  if (!system) throw new Error(`There is no system "${name}"; the systems: ${systems.map((one) => one.name).join(", ")}`);
  return system;
}
