// A QR code as one SVG path, dark on light in both colour schemes, as many readers want it.

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { encode } from "uqr";

/** The code as an image with a label; nothing for a text that is too long for one. */
export function QrCode({ text, label }: { text: string; label: string }): JSX.Element | null {
  const drawn = useMemo(() => drawQrCode(text), [text]);
  if (!drawn) return null;
  return (
    <svg
      class="qr-code"
      data-testid="qr-code"
      viewBox={`0 0 ${drawn.size} ${drawn.size}`}
      role="img"
      aria-label={label}
      shape-rendering="crispEdges"
    >
      <rect width={drawn.size} height={drawn.size} fill="#fff" />
      <path d={drawn.path} fill="#10201a" />
    </svg>
  );
}

/** One rectangle per run of dark modules. `null` for what does not fit into any QR code. */
function drawQrCode(text: string): { size: number; path: string } | null {
  let modules: boolean[][];
  try {
    modules = encode(text, { ecc: "L", border: 3 }).data;
  } catch {
    return null;
  }
  let path = "";
  for (const [y, row] of modules.entries()) {
    for (let x = 0; x < row.length; x++) {
      if (!row[x]) continue;
      const start = x;
      while (row[x + 1]) x += 1;
      path += `M${start} ${y}h${x - start + 1}v1H${start}z`;
    }
  }
  return { size: modules.length, path };
}
