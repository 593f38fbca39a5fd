// Translates what the operating system says when a port cannot be opened.

import { NetworkError } from "../core/errors.js";

/** @param what - such as "TCP port 8787" */
export function toListenError(error: unknown, what: string): NetworkError {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === "EADDRINUSE") return new NetworkError("ERR_LISTEN_IN_USE", what, { cause: error });
  const hints: Record<string, string> = {
    EACCES: "it needs more rights: ports below 1024 are for the administrator",
    EADDRNOTAVAIL: "this machine does not have this address",
    ENOTFOUND: "the host name does not resolve",
  };
  return new NetworkError("ERR_LISTEN_FAILED", `${what}: ${hints[code ?? ""] ?? code ?? String(error)}`, { cause: error });
}
