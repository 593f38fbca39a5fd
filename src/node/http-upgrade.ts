// HTTP on the shared port: WebSocket upgrades, and a short answer to everything else.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { WEBSOCKET_LIMITS } from "./websocket-link.js";

/** Most bytes of a request's headers; a browser's upgrade has about 600. */
const MAX_HEADER_BYTES = 8 * 1024;

/**
 * Decides whether an upgrade request is served.
 *
 * A page of any origin may open a link: a link proves nothing, and the handshake on it proves the peer's key, not a cookie or an
 * address. So neither `Origin` nor `Host` is held against a request.
 * @returns the HTTP status to refuse with, such as `404 Not Found`, or `null` to serve it
 */
export function checkUpgrade(request: Pick<IncomingMessage, "method" | "url" | "headers">): string | null {
  if (request.method !== "GET") return "405 Method Not Allowed";
  if (request.url !== "/") return "404 Not Found";
  return null;
}

/** Serves sockets that began with an HTTP request. */
export interface HttpUpgrade {
  /** Takes a socket over, with what was read from it put back. */
  serve(socket: Socket): void;
}

/**
 * @param onWebSocket - called with each WebSocket once it is open
 */
export function httpUpgrade(onWebSocket: (socket: WebSocket, raw: Socket) => void): HttpUpgrade {
  // The server never listens: sockets are handed to it. Its own time limits do not run then, the port listener's deadline does.
  const http = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, answer);
  const webSockets = new WebSocketServer({ ...WEBSOCKET_LIMITS, noServer: true, clientTracking: false });
  http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const refusal = checkUpgrade(request);
    if (refusal) refuse(socket, refusal);
    else
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        // Before anything else: one oversized frame header would end the process otherwise.
        webSocket.on("error", () => undefined);
        onWebSocket(webSocket, socket);
      });
  });
  http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    refuse(socket as Socket, error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request");
  });
  http.on("dropRequest", (_request, socket) => socket.destroy());
  return { serve: (socket) => void http.emit("connection", socket) };
}

function answer(_request: IncomingMessage, response: ServerResponse): void {
  response.sendDate = false;
  response.writeHead(426, { Connection: "close", Upgrade: "websocket", "Content-Length": "0" });
  response.end();
}

function refuse(socket: Socket, status: string): void {
  if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  // Whoever goes on sending is not read any further.
  socket.destroySoon();
}
