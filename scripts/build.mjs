// Builds everything into dist: Node, browser, relay and the command by tsup, then the demo page upon the finished browser build.

import { parseArgs } from "node:util";
import { build, NO_TYPES_HELP } from "./lib/build.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { main } from "./lib/main.mjs";
import { step } from "./lib/run.mjs";

const { values } = parseArgs({
  options: { "no-types": { type: "boolean", default: false }, help: { type: "boolean", short: "h" } },
});

await main(async () => {
  if (values.help) {
    process.stdout.write(`npm run build -- [--no-types]\n\n${NO_TYPES_HELP}\n`);
    return 0;
  }
  await ensureDependencies();
  await step("Build", () => build({ types: !values["no-types"] }));
  return 0;
});
