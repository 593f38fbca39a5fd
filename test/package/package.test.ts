// The package as others get it: packed, installed into an empty project, and used from there.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execProgram, type Packed, packAndInstall, ROOT, runNode } from "./packed.js";

let packed: Packed;

beforeAll(async () => {
  packed = await packAndInstall();
}, 180_000);

afterAll(() => packed?.remove());

/** Writes a file into the project and gives back its name. */
function write(name: string, text: string): string {
  writeFileSync(join(packed.project, name), text);
  return name;
}

const USE = `
const alice = new NetworkManager({ name: "Alice" });
const bob = new NetworkManager({ name: "Bob" });
const heard = new Promise((resolve) => bob.setMessageCallback((message) => resolve(message.payload)));
const main = async () => {
  await alice.start(0);
  await bob.start(0);
  const id = await alice.connectToPeer("127.0.0.1", bob.getLocalPort());
  if (id !== bob.peerId) throw new Error("another peer");
  alice.sendMessage(id, text("hello from an empty project"));
  console.log(await heard);
  await alice.stop();
  await bob.stop();
};
main();
`;

describe("in an empty project", () => {
  test("an ESM program sends a message and ends by itself", async () => {
    const file = write("use.mjs", `import { NetworkManager, text } from "linknet";\n${USE}`);
    expect(await runNode([file], packed.project)).toMatchObject({ code: 0, stdout: "hello from an empty project\n", stderr: "" });
  });

  test("a CommonJS program does so as well", async () => {
    const file = write("use.cjs", `const { NetworkManager, text } = require("linknet");\n${USE}`);
    expect(await runNode([file], packed.project)).toMatchObject({ code: 0, stdout: "hello from an empty project\n", stderr: "" });
  });

  test("the relay comes under its own name, from ESM and from CommonJS", async () => {
    const esm = write("relay.mjs", `import { createRelay } from "linknet/relay";\nconsole.log(typeof createRelay);`);
    const cjs = write("relay.cjs", `console.log(typeof require("linknet/relay").createRelay);`);
    for (const file of [esm, cjs]) expect(await runNode([file], packed.project)).toMatchObject({ code: 0, stdout: "function\n" });
  });

  test("what is without WebRTC in pages is the whole package in Node", async () => {
    const esm = write(
      "lean.mjs",
      'import * as one from "linknet"; import * as two from "linknet/without-webrtc";\nconsole.log(one.NetworkManager === two.NetworkManager);',
    );
    const cjs = write("lean.cjs", 'console.log(require("linknet").text === require("linknet/without-webrtc").text);');
    for (const program of [esm, cjs])
      expect(await runNode([program], packed.project)).toMatchObject({ code: 0, stdout: "true\n" });
  });

  test("no package of it was built on this machine", () => {
    // Install scripts are off in npm 11 unless allowed, and they were off here.
    const installed = readdirSync(join(packed.project, "node_modules"));
    expect(installed).toContain("linknet");
    expect(installed).not.toContain("@roamhq");
  });

  test("an error of the package is the same class from both of its names", async () => {
    const file = write(
      "same.mjs",
      `import * as sdk from "linknet"; import * as relay from "linknet/relay";
       if ("NetworkError" in relay) console.log(sdk.NetworkError === relay.NetworkError); else console.log(true);`,
    );
    expect((await runNode([file], packed.project)).stdout).toBe("true\n");
  });
});

describe("the command", () => {
  const command = (...args: string[]) => execProgram(join(packed.project, "node_modules/.bin/linknet"), args, packed.project);

  test("tells its version and how it is used", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    expect(await command("--version")).toMatchObject({ code: 0, stdout: `${version}\n` });
    const help = await command("--help");
    expect(help.code).toBe(0);
    expect(help.stdout).toContain("linknet relay");
    expect(help.stdout).toContain("linknet chat");
  });

  test("refuses what it does not know, with a sentence and code 2", async () => {
    const unknown = await command("dance");
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("dance");
    expect((await command()).code).toBe(2);
  });

  test.each(["relay", "chat"])("%s explains itself", async (name) => {
    const help = await command(name, "--help");
    expect(help.code).toBe(0);
    expect(help.stdout).toContain("--");
  });
});

/** Compiles one file of the project, strictly and with the declarations of packages checked as well. */
function compile(file: string, options: object) {
  const compilerOptions = { noEmit: true, strict: true, target: "es2022", lib: ["es2022", "dom"], ...options };
  write("tsconfig.json", JSON.stringify({ compilerOptions, files: [file] }));
  return runNode([join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json"], packed.project);
}

describe("types", () => {
  const PROGRAM = `
    import { NetworkError, NetworkManager, text, type NetworkManagerOptions, type PeerInfo } from "linknet";
    const options: NetworkManagerOptions = { name: "types" };
    const net = new NetworkManager(options);
    const peers: PeerInfo[] = net.getConnectedPeers();
    const sent: boolean = net.sendMessage("id", text("hello"));
    const port: number | null = net.getLocalPort();
    export const all = [NetworkError, peers, sent, port] as const;
    // @ts-expect-error a name is text
    new NetworkManager({ name: 1 });
  `;

  test.each([
    ["bundler", "esnext", "program.ts"],
    ["nodenext", "nodenext", "program.mts"],
    ["nodenext", "nodenext", "program.cts"],
  ])("serve moduleResolution %s (%s, %s)", async (moduleResolution, module, name) => {
    write(name, PROGRAM);
    // Only what any project would have: no types of Node, no types of packages that we use inside.
    const result = await compile(name, { module, moduleResolution, types: [] });
    expect(result.stdout).toBe("");
    expect(result.code).toBe(0);
  });

  test("the relay's types need those of Node, and nothing else", async () => {
    write(
      "relay.mts",
      `import { createRelay, type RelayOptions } from "linknet/relay";\nexport const start = (o: RelayOptions) => createRelay(o);`,
    );
    const typeRoots = [join(ROOT, "node_modules/@types")];
    const result = await compile("relay.mts", { module: "nodenext", moduleResolution: "nodenext", typeRoots, types: ["node"] });
    expect(result.stdout).toBe("");
    expect(result.code).toBe(0);
  });

  test("publint finds no fault", async () => {
    const { publint } = await import("publint");
    const { formatMessage } = await import("publint/utils");
    const pkg = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<string, unknown>;
    const { messages } = await publint({ pkgDir: join(packed.project, "node_modules/linknet"), strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test("are-the-types-wrong finds no fault", async () => {
    const args = [join(ROOT, "node_modules/@arethetypeswrong/cli/dist/index.js"), packed.tarball, "--no-color", "--no-emoji"];
    const result = await runNode(args, packed.project);
    expect(result.stdout).toContain("No problems found");
    expect(result.code).toBe(0);
  });
});

test("only what belongs there is in the tarball", () => {
  const list = execFileSync("tar", ["-tzf", packed.tarball], { encoding: "utf8" }).trim().split("\n");
  const unexpected = list.filter(
    (path) => !/^package\/(dist\/|package\.json$|README\.md$|CHANGELOG\.md$|PROTOCOL\.md$|LICENSE$)/.test(path),
  );
  expect(unexpected).toEqual([]);
  expect(list.filter((path) => path.startsWith("package/dist/demo-web/"))).toEqual([]);
  for (const file of [
    "LICENSE",
    "README.md",
    "dist/index.d.ts",
    "dist/index.d.cts",
    "dist/browser/index.js",
    "dist/browser/without-webrtc.js",
    "dist/bin/linknet.js",
  ]) {
    expect(list).toContain(`package/${file}`);
  }
});

test("the lock file names no registry", () => {
  expect(readFileSync(join(ROOT, "package-lock.json"), "utf8")).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
  expect(existsSync(join(ROOT, ".npmrc"))).toBe(true);
});
