// Which addresses named by somebody else we are willing to dial: a rule over text, used for every candidate.

/** Ports that no peer listens on and that an attacker would like us to knock at. */
const FORBIDDEN_PORTS: ReadonlySet<number> = new Set([
  0, 7, 9, 19, 22, 23, 25, 53, 69, 111, 123, 137, 139, 161, 389, 445, 1900, 11211,
]);

export interface DialPolicy {
  /** Whether addresses of this very machine may be dialled: only when the other side is on it too, as far as we can know. */
  readonly allowLoopback: boolean;
}

/**
 * Whether a candidate may be dialled. Host names are refused: resolving one tells a third party, and it may lead anywhere.
 * @param url - such as `tcp://192.0.2.1:8080` or `ws://[2001:db8::1]:8080`
 */
export function isDialable(url: string, policy: DialPolicy): boolean {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(\[[0-9a-f:.]+\]|[0-9.]+):(\d{1,5})\/?$/i.exec(url);
  if (!match) return false;
  const port = Number(match[2]);
  if (port > 65_535 || FORBIDDEN_PORTS.has(port)) return false;
  const host = match[1] as string;
  return host.startsWith("[") ? isDialableV6(host.slice(1, -1).toLowerCase(), policy) : isDialableV4(host, policy);
}

function isDialableV4(text: string, policy: DialPolicy): boolean {
  const parts = text.split(".").map(Number);
  if (parts.length !== 4 || text.split(".").some((part) => !/^(0|[1-9]\d{0,2})$/.test(part)) || parts.some((part) => part > 255))
    return false;
  const [a, b] = parts as [number, number, number, number];
  if (a === 127) return policy.allowLoopback;
  // 0/8 this network, 169.254/16 link-local, 224/4 multicast, 240/4 reserved and the broadcast address (RFC 6890 §2.2.2).
  return a !== 0 && a < 224 && !(a === 169 && b === 254);
}

function isDialableV6(text: string, policy: DialPolicy): boolean {
  const groups = expandV6(text);
  if (!groups) return false;
  const head = groups.slice(0, 5).every((group) => group === 0);
  if (head && groups[5] === 0xffff) {
    // IPv4 in IPv6 clothes follows the rules for IPv4 (RFC 4291 §2.5.5.2).
    const [high, low] = [groups[6] as number, groups[7] as number];
    return isDialableV4(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`, policy);
  }
  if (head && groups[5] === 0 && groups[6] === 0 && groups[7] === 1) return policy.allowLoopback;
  if (head && groups[5] === 0) return false;
  const first = groups[0] as number;
  // fe80::/10 link-local, ff00::/8 multicast (RFC 4291 §2.4).
  return (first & 0xffc0) !== 0xfe80 && first >> 8 !== 0xff;
}

/** The eight groups of an IPv6 address (RFC 4291 §2.2), or `null` when it is none. */
function expandV6(text: string): number[] | null {
  let source = text;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted) {
    const bytes = dotted.slice(2).map(Number);
    if (bytes.some((byte) => byte > 255)) return null;
    const [a, b, c, d] = bytes as [number, number, number, number];
    source = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const halves = source.split("::");
  if (halves.length > 2) return null;
  const groupsOf = (half: string): string[] => (half === "" ? [] : half.split(":"));
  const front = groupsOf(halves[0] as string);
  const back = groupsOf(halves[1] ?? "");
  const gap = 8 - front.length - back.length;
  if (halves.length === 2 ? gap < 1 : gap !== 0) return null;
  const groups = [...front, ...new Array<string>(Math.max(0, gap)).fill("0"), ...back];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))) return null;
  return groups.map((group) => Number.parseInt(group, 16));
}
