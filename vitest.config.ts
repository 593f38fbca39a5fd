// Unit tests and real sockets run from the sources; the package tests look at what was built.

import { availableParallelism } from "node:os";
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
    // On two processors the default is one, though most tests wait more than they compute.
    maxWorkers: Math.max(2, availableParallelism() - 1),
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
          exclude: [...configDefaults.exclude, "test/nat/matrix.lab.test.ts"],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          // By itself: it measures how long each pair takes.
          name: "nat-matrix",
          include: ["test/nat/matrix.lab.test.ts"],
          hookTimeout: 30_000,
        },
      },
    ],
  },
});
