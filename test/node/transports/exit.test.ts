import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const outDir = `${root}/node_modules/.cache/linknet-exit-test`;

test("after closing everything nothing keeps the process alive", { timeout: 30_000 }, async () => {
  await build({
    config: false,
    silent: true,
    entry: { child: fileURLToPath(new URL("exit-child.ts", import.meta.url)) },
    outDir,
    external: ["udx-native"],
    format: "esm",
    target: "node20",
    outExtension: () => ({ js: ".mjs" }),
  });
  const child = spawn(process.execPath, [`${outDir}/child.mjs`], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let closedAt = 0;
  child.stdout.on("data", (chunk) => {
    output += chunk;
    closedAt = performance.now();
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const deadline = setTimeout(() => child.kill("SIGKILL"), 15_000);
  const [code, killed] = await once(child, "close");
  clearTimeout(deadline);
  expect({ output, code, killed }).toEqual({ output: "closed 8 links\n", code: 0, killed: null });
  expect(performance.now() - closedAt).toBeLessThan(2_500);
});
