// Runs programs and tells what is going on: headings, durations, and errors that say what to do.

import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The root folder of the repository. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const colour = process.stdout.isTTY && !process.env.NO_COLOR;

/** @param {string} code @param {string} text */
const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

/** @param {string} text */
export const bold = (text) => paint("1", text);
/** @param {string} text */
export const dim = (text) => paint("2", text);
/** @param {string} text */
export const red = (text) => paint("31", text);
/** @param {string} text */
export const green = (text) => paint("32", text);
/** @param {string} text */
export const yellow = (text) => paint("33", text);

/** @param {string} text */
export function say(text) {
  process.stdout.write(`${text}\n`);
}

/** A failure whose message is all that a person needs; no stack is shown for it. */
export class StepError extends Error {}

/** @param {number} ms */
export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/**
 * Prints a heading, runs the step, prints how long it took.
 * @template T
 * @param {string} title
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  const started = performance.now();
  say(`\n${bold(`> ${title}`)}`);
  try {
    const result = await work();
    say(dim(`  ${title}: ${seconds(performance.now() - started)}`));
    return result;
  } catch (error) {
    say(red(`  ${title} failed after ${seconds(performance.now() - started)}`));
    throw error;
  }
}

/**
 * @typedef {object} RunOptions
 * @property {NodeJS.ProcessEnv} [env] added to our own environment
 * @property {number} [timeoutMs] after it the program and its children are killed; default: none
 * @property {boolean} [quiet] keep the output and show it only when the program fails
 * @property {string} [cwd] default: the root of the repository
 */

/**
 * Runs a program to its end and gives back its exit code; 124 after a timeout, 127 when it could not be started.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<number>}
 */
export function run(command, args, options = {}) {
  const { env, timeoutMs, quiet = false, cwd = ROOT } = options;
  return new Promise((resolve) => {
    // A group of its own where there is a time limit, so that the children end with it.
    const grouped = timeoutMs !== undefined && process.platform !== "win32";
    const child = spawn(command, [...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: quiet ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"],
      detached: grouped,
    });
    /** @type {Buffer[]} */
    const output = [];
    child.stdout?.on("data", (chunk) => output.push(chunk));
    child.stderr?.on("data", (chunk) => output.push(chunk));

    let timedOut = false;
    /** @param {NodeJS.Signals} signal */
    const kill = (signal) => {
      try {
        if (grouped && child.pid) process.kill(-child.pid, signal);
        else child.kill(signal);
      } catch {
        // It has ended by itself in the meantime.
      }
    };
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            say(yellow(`  ${command} took longer than ${seconds(timeoutMs)} and is stopped`));
            kill("SIGTERM");
            setTimeout(() => kill("SIGKILL"), 5_000).unref();
          }, timeoutMs);
    const onInterrupt = () => kill("SIGINT");
    if (grouped) process.on("SIGINT", onInterrupt);

    /** @param {number} code */
    const end = (code) => {
      clearTimeout(timer);
      process.off("SIGINT", onInterrupt);
      if (quiet && code !== 0) process.stdout.write(Buffer.concat(output));
      resolve(code);
    };
    child.on("error", (error) => {
      output.push(Buffer.from(`${command}: ${error.message}\n`));
      end(127);
    });
    child.on("close", (code) => end(timedOut ? 124 : (code ?? 1)));
  });
}

/**
 * Runs npm, by the very npm that started us where there is one.
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 */
export function npm(args, options) {
  const cli = process.env.npm_execpath;
  if (cli?.endsWith(".js")) return run(process.execPath, [cli, ...args], options);
  return process.platform === "win32" ? run("cmd.exe", ["/c", "npm", ...args], options) : run("npm", args, options);
}

/**
 * Runs the program of an installed package by Node itself, without a shell in between.
 * @param {string} path below node_modules, such as `typescript/bin/tsc`
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 */
export function runPackage(path, args, options) {
  return run(process.execPath, [fileURLToPath(new URL(`../../node_modules/${path}`, import.meta.url)), ...args], options);
}

/**
 * Whether a program can be started at all.
 * @param {string} command
 * @param {readonly string[]} [args]
 */
export function works(command, args = ["--version"]) {
  return spawnSync(command, [...args], { stdio: "ignore", timeout: 20_000 }).status === 0;
}
