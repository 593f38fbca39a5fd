// What the relay says over plain HTTP: little, and always something.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Answers a request that is no WebSocket upgrade. */
export function answerHttp(request: IncomingMessage, response: ServerResponse): void {
  // What a request carries is of no interest, and a body that never ends must not hold the connection.
  response.setHeader("Connection", "close");
  const path = (request.url ?? "/").split("?", 1)[0];
  if (request.method !== "GET" && request.method !== "HEAD") answer(response, 405, "method not allowed", { Allow: "GET, HEAD" });
  else if (path === "/") answer(response, 200, "LinkNet relay");
  else if (path === "/healthz") answer(response, 200, "ok");
  else answer(response, 404, "not found");
}

function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", ...headers });
  response.end(`${text}\n`);
}

/** Refuses an upgrade with an HTTP status and ends the connection. */
export function refuseUpgrade(socket: Duplex, status: 403 | 404, text: string): void {
  const reason = status === 403 ? "Forbidden" : "Not Found";
  const body = `${text}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    // A client that keeps its side open would hold the descriptor.
    () => socket.destroy(),
  );
}
