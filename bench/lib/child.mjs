// One of the two processes of a measurement: loads the adapter and the workload, runs its half, tells what came out.

/** @typedef {import("./types.js").Side} Side */

/** @type {any[]} */
const heard = [];
/** @type {((value: any) => void)[]} */
const listeners = [];

/** @param {unknown} error */
function fail(error) {
  process.send?.({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) }, () => process.exit(1));
}

/** @param {{ role: "server" | "client", workload: string, system: import("./types.js").System, params: Record<string, number> }} task */
async function run({ role, workload, system, params }) {
  const [{ createAdapter }, halves] = await Promise.all([import(system.module), import(workload)]);
  /** @type {Side} */
  const side = {
    adapter: await createAdapter(system),
    params,
    tell: (value) => process.send?.({ told: value }),
    hear: () =>
      new Promise((resolve) => {
        if (heard.length > 0) resolve(heard.shift());
        else listeners.push(resolve);
      }),
    fail: (error) => {
      fail(error);
      throw error;
    },
  };
  process.send?.({ done: await halves[role](side) });
}

process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
// The parent is gone, Ctrl-C included: nothing is left to measure for.
process.on("disconnect", () => process.exit(1));
process.on("message", (/** @type {any} */ message) => {
  if (message.task) run(message.task).catch(fail);
  else if (listeners.length > 0) listeners.shift()?.(message.told);
  else heard.push(message.told);
});
