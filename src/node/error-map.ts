// Errors of Node's sockets, translated into ours where they enter.

import { type ErrorCode, NetworkError } from "../core/errors.js";

const DIAL_CODES: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: "ERR_DIAL_REFUSED",
  ENOTFOUND: "ERR_DIAL_NAME",
  EAI_AGAIN: "ERR_DIAL_NAME",
  EAI_FAIL: "ERR_DIAL_NAME",
  EAI_NODATA: "ERR_DIAL_NAME",
  EHOSTUNREACH: "ERR_DIAL_UNREACHABLE",
  ENETUNREACH: "ERR_DIAL_UNREACHABLE",
  EADDRNOTAVAIL: "ERR_DIAL_UNREACHABLE",
  ETIMEDOUT: "ERR_DIAL_TIMEOUT",
  ERR_SOCKET_BAD_PORT: "ERR_PORT_INVALID",
};

const LISTEN_CODES: Readonly<Record<string, ErrorCode>> = {
  EADDRINUSE: "ERR_LISTEN_IN_USE",
  ERR_SOCKET_BAD_PORT: "ERR_PORT_INVALID",
};

function systemCode(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const code = (error as { code?: unknown }).code;
  if (typeof code === "string") return code;
  // Happy eyeballs reports one error per address it tried.
  const first = (error as { errors?: unknown }).errors;
  return Array.isArray(first) && first.length > 0 ? systemCode(first[0]) : "";
}

function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text || systemCode(error);
}

function mapped(error: unknown, code: ErrorCode, where: string): NetworkError {
  if (error instanceof NetworkError) return error;
  const system = systemCode(error);
  const detail = system && code !== "ERR_DIAL_FAILED" && code !== "ERR_LISTEN_FAILED" ? system : describe(error);
  return new NetworkError(code, where ? `${where}: ${detail}` : detail, { cause: error });
}

/**
 * Why a dial failed: `ERR_DIAL_…`.
 * @param target - what was dialled, such as `10.0.0.7:8080`; it goes into the message
 */
export function dialError(error: unknown, target: string): NetworkError {
  return mapped(error, DIAL_CODES[systemCode(error)] ?? "ERR_DIAL_FAILED", target);
}

/** Why a port could not be opened: `ERR_LISTEN_IN_USE`, `ERR_PORT_INVALID` or `ERR_LISTEN_FAILED`. */
export function listenError(error: unknown, port: number): NetworkError {
  return mapped(error, LISTEN_CODES[systemCode(error)] ?? "ERR_LISTEN_FAILED", `port ${port}`);
}

/** Why an open link broke: `ERR_CLOSED_TIMEOUT` when the kernel gave up waiting, `ERR_CLOSED_ABORTED` otherwise. */
export function brokenError(error: unknown): NetworkError {
  return mapped(error, systemCode(error) === "ETIMEDOUT" ? "ERR_CLOSED_TIMEOUT" : "ERR_CLOSED_ABORTED", "");
}
