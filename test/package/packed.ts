// Packs the package once and installs it into an empty project, for the tests of this folder.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** The root folder of the repository. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; it does not throw when the program fails. */
export async function execProgram(command: string, args: readonly string[], cwd: string): Promise<Output> {
  try {
    const { stdout, stderr } = await execute(command, [...args], { cwd, timeout: 150_000, maxBuffer: 16 * 1024 * 1024 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code: typeof code === "number" ? code : 1, stdout: stdout ?? "", stderr: stderr ?? String(error) };
  }
}

export const runNode = (args: readonly string[], cwd: string) => execProgram(process.execPath, args, cwd);

/** Runs npm, by the one that started the tests where there is one. */
export function runNpm(args: readonly string[], cwd: string): Promise<Output> {
  const cli = process.env.npm_execpath;
  return cli?.endsWith(".js") ? runNode([cli, ...args], cwd) : execProgram("npm", args, cwd);
}

export interface Packed {
  /** The tarball. */
  readonly tarball: string;
  /** An empty project that has the package installed, and nothing else. */
  readonly project: string;
  remove(): void;
}

/** @throws when nothing is built, or npm fails */
export async function packAndInstall(): Promise<Packed> {
  if (!existsSync(join(ROOT, "dist/index.d.ts")))
    throw new Error('nothing is built, or without declarations: run "npm run build" first');
  const folder = mkdtempSync(join(tmpdir(), "linknet-package-"));
  const project = mkdtempSync(join(tmpdir(), "linknet-project-"));
  // Scripts stay out: what is packed is what was built, not a new build.
  const packed = await runNpm(["pack", "--ignore-scripts", "--pack-destination", folder], ROOT);
  const name = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  if (packed.code !== 0 || !name) throw new Error(`npm pack: ${packed.stderr}`);
  const tarball = join(folder, name);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", version: "1.0.0", private: true }));
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
  const installed = await runNpm(["install", tarball, ...options], project);
  if (installed.code !== 0) throw new Error(`npm install: ${installed.stderr}`);
  return {
    tarball,
    project,
    remove() {
      for (const path of [folder, project]) rmSync(path, { recursive: true, force: true });
    },
  };
}
