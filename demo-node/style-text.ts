// Colours for a terminal that wants them.

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;

/** A colour or weight. */
export type TextStyle = keyof typeof CODES;

const NAME_STYLES: readonly TextStyle[] = ["green", "yellow", "blue", "magenta", "cyan"];
let enabled = false;

/** Switches colours on for terminals, unless NO_COLOR is set to anything but nothing (see no-color.org). */
export function enableColours(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): void {
  enabled = isTerminal && !env.NO_COLOR && env.TERM !== "dumb";
}

/** The text in a colour, or as it is. */
export function styleText(style: TextStyle, text: string): string {
  const [on, off] = CODES[style];
  return enabled ? `\u001b[${on}m${text}\u001b[${off}m` : text;
}

/** A name in a colour that follows from the PeerId. */
export function styleName(name: string, peerId: string): string {
  let sum = 0;
  for (const letter of peerId) sum = (sum * 31 + letter.charCodeAt(0)) % 9973;
  return styleText("bold", styleText(NAME_STYLES[sum % NAME_STYLES.length] ?? "cyan", name));
}
