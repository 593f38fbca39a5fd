// What stands behind the # of the page's address: a room or a ticket. Servers never see that part.

/** Where a link leads. */
export interface Invitation {
  readonly room: string | null;
  readonly ticket: string | null;
  /** The relay that the room is on, where it is not the page's own. */
  readonly relay: string | null;
}

const NOWHERE: Invitation = { room: null, ticket: null, relay: null };

/** Reads `#room=NAME` or `#ticket=…`, with `&relay=URL` where it differs; anything else leads nowhere. */
export function parseInvitation(hash: string): Invitation {
  if (hash.length > 4096) return NOWHERE;
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const text = (name: string): string | null => fields.get(name)?.trim() || null;
  return { room: text("room"), ticket: text("ticket"), relay: relayUrl(text("relay") ?? "") };
}

/** The part of a link from the # on. */
export function formatInvitation(invitation: Partial<Invitation>): string {
  const fields = Object.entries(invitation).filter((field): field is [string, string] => Boolean(field[1]));
  // Readable where a reader can read it: encodeURIComponent leaves fewer letters alone than a link needs, never more.
  return `#${fields.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`;
}

/** A relay's URL as it may be used, or `null` where this is none. */
export function relayUrl(text: string): string | null {
  try {
    const url = new URL(text);
    return url.protocol === "ws:" || url.protocol === "wss:" ? text : null;
  } catch {
    return null;
  }
}

/** The relay of a page: what its server wrote into the page, else port 8787 of the same host. */
export function defaultRelay(meta: string | null, page: { readonly protocol: string; readonly hostname: string }): string {
  const given = meta === null ? null : relayUrl(meta);
  if (given !== null) return given;
  const scheme = page.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${page.hostname || "localhost"}:8787`;
}
