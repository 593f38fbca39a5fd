// The other end of worker-process.mjs: loads the module that it is given and calls its functions.

const functions = import(process.argv[2] ?? "");

/** @param {unknown} error */
const text = (error) => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** @param {unknown} error Nobody waits for this one: the measurement is over. */
function fail(error) {
  process.send?.({ id: 0, failed: text(error) }, () => process.exit(1));
}

process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
process.on("disconnect", () => process.exit(1));
process.on("message", async (/** @type {any} */ { id, name, args }) => {
  try {
    process.send?.({ id, result: await (await functions)[name](...args) });
  } catch (error) {
    process.send?.({ id, failed: text(error) });
  }
});
