// Puts the browser build, as it was built, where a test can reach it.

// @ts-expect-error The server has it at this address; no compiler knows of it.
import * as sdk from "/sdk/index.js";

/** @type {Window & { linknet_sdk?: unknown }} */
const page = window;
page.linknet_sdk = sdk;
