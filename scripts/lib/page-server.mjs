// Serves built pages under a strict Content-Security-Policy; `npm run demo` and the browser tests use the same one.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { isIP } from "node:net";
import { extname, join, sep } from "node:path";

/** Nothing but our own files, and sockets to relays and peers, whose addresses nobody knows beforehand. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "connect-src 'self' ws: wss:",
  "img-src 'self' blob: data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".map": "application/json",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".webmanifest": "application/manifest+json",
};

const HEADERS = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store",
};

const RELAY_META = /(<meta\s+name="linknet-relay"\s+content=")[^"]*(")/;

/**
 * Reads the name from a Host header when it is one by which people reach their own machine. Others are refused: a page of
 * somebody else's domain that was pointed at this machine is not ours to serve.
 * @param {string | undefined} header such as `192.168.1.5:8080`
 * @returns {string | null} as it stands in a URL, without the port
 */
export function hostName(header) {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(header ?? "");
  const name = match?.[1]?.toLowerCase();
  if (!name) return null;
  if (name.startsWith("[")) return isIP(name.slice(1, -1)) === 6 ? name : null;
  if (isIP(name) === 4) return name;
  const local = /^[a-z0-9-]+(\.local|\.lan|\.home\.arpa|\.internal|\.localhost)?$/.test(name);
  return local ? name : null;
}

/**
 * Reads all files below a folder once, so that no request ever becomes a path.
 * @param {string} folder
 * @param {string} prefix
 * @returns {Map<string, { type: string, body: Buffer }>} by URL path
 */
function readFolder(folder, prefix) {
  const files = new Map();
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const full = join(folder, path);
    const type = TYPES[extname(path)];
    if (!type || !statSync(full).isFile()) continue;
    const file = { type, body: readFileSync(full) };
    const url = prefix + path.split(sep).join("/");
    files.set(url, file);
    if (url.endsWith("/index.html")) files.set(url.slice(0, -"index.html".length), file);
  }
  return files;
}

/**
 * @typedef {object} PageServerOptions
 * @property {Record<string, string>} folders folders to serve, by URL prefix; each prefix begins and ends with `/`
 * @property {number} [relayPort] written into `<meta name="linknet-relay">`, with the host by which the page was asked for
 */

/**
 * @param {PageServerOptions} options
 * @returns {import("node:http").Server} not listening yet
 */
export function createPageServer({ folders, relayPort }) {
  const files = new Map(Object.entries(folders).flatMap(([prefix, folder]) => [...readFolder(folder, prefix)]));

  return createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    /** @param {number} status @param {string} text */
    const refuse = (status, text) => {
      response.writeHead(status, { ...HEADERS, "content-type": "text/plain; charset=utf-8" });
      response.end(request.method === "HEAD" ? undefined : `${text}\n`);
    };
    const host = hostName(request.headers.host);
    if (host === null) return refuse(421, "Open this page by localhost or by the machine's address.");
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(405, "This server only gives pages.");
    const file = files.get((request.url ?? "").split(/[?#]/, 1)[0] ?? "");
    if (!file) return refuse(404, "There is no such page here.");

    let { body } = file;
    if (relayPort !== undefined && file.type.startsWith("text/html")) {
      body = Buffer.from(body.toString("utf8").replace(RELAY_META, `$1ws://${host}:${relayPort}$2`));
    }
    response.writeHead(200, { ...HEADERS, "content-type": file.type, "content-length": body.length });
    response.end(request.method === "HEAD" ? undefined : body);
  });
}
