// Unit tests and real sockets run from the sources; the package tests look at what was built.

import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const resolve = {
  alias: [
    { find: /^linknet$/, replacement: source("src/node/index.ts") },
    { find: /^linknet\/relay$/, replacement: source("src/server/index.ts") },
  ],
};

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        test: {
          name: "unit",
          // A deadline for what hangs, not a measure of speed: the machines are small and shared.
          testTimeout: 30_000,
          include: ["test/**/*.test.{ts,tsx}"],
          exclude: [...configDefaults.exclude, "test/package/**", "test/e2e/**", "test/fixtures/**", "test/nat/**/*.lab.test.ts"],
        },
      },
      {
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts"],
          // One file packs and installs; the others wait for what it leaves.
          testTimeout: 30_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: "nat",
          include: ["test/nat/**/*.lab.test.ts"],
          // They look at the clock, so only one file at a time.
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
    ],
  },
});
