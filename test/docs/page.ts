// Reads what pages promise: code blocks by their info string, and tables.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The root of the repository, with a slash at the end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** One fenced code block. */
export interface CodeBlock {
  /** What stands behind the fence, such as `ts` or `hex preamble`. */
  readonly info: string;
  readonly content: string;
}

export function readPage(path: string): string {
  return readFileSync(ROOT + path, "utf8");
}

/** All fenced code blocks of a page, in order. */
export function codeBlocks(page: string): CodeBlock[] {
  return [...page.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, info = "", content = ""]) => ({
    info: info.trim(),
    content,
  }));
}

/** The hexadecimal digits of a block: everything behind a `#` is a remark, white space is for the eye. */
export function hexDigits(content: string): string {
  return content.replace(/#.*$/gm, "").replace(/\s/g, "");
}

/** The rows of the table whose head begins with `| <first> |`: the trimmed cells, without backticks. */
export function tableRows(page: string, first: string): string[][] {
  const lines = page.split("\n");
  const head = lines.findIndex((line) => line.startsWith("|") && line.split("|")[1]?.trim() === first);
  const rows: string[][] = [];
  for (let at = head + 2; head >= 0 && lines[at]?.startsWith("|"); at++) {
    rows.push(
      (lines[at] as string)
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  }
  return rows;
}
