// A STUN server and a STUN client that are not ours: Debian's coturn, with which the tests compare.

import { aptInstall } from "./browsers.mjs";
import { works } from "./run.mjs";

const isThere = () =>
  works("turnserver", ["--version"]) && works("sh", ["-c", "command -v turnutils_natdiscovery turnutils_stunclient"]);

/**
 * Installs it where it is missing and that can be done.
 * @returns {Promise<boolean>} whether it is there now
 */
export async function ensureCoturn() {
  if (process.platform !== "linux") return false;
  return isThere() || ((await aptInstall("coturn")) && isThere());
}
