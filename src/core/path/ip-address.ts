// IP addresses as text: read strictly, recognised in each other's clothes, and grouped by who is behind them.

/** The four bytes of a dotted IPv4 address; `null` for anything else, octal and hexadecimal forms among it. */
export function parseIPv4(text: string): readonly number[] | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return null;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

/** The eight groups of an IPv6 address without a zone (RFC 4291 §2.2); `null` for anything else. */
export function parseIPv6(text: string): readonly number[] | null {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = dotted ? parseIPv4(dotted[2] as string) : null;
  if (dotted && !tail) return null;
  const [a, b, c, d] = (tail ?? []) as [number, number, number, number];
  const source = dotted ? `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}` : text;
  const halves = source.split("::");
  if (halves.length > 2) return null;
  const groupsOf = (half: string): string[] => (half === "" ? [] : half.split(":"));
  const front = groupsOf(halves[0] as string);
  const back = groupsOf(halves[1] ?? "");
  const gap = 8 - front.length - back.length;
  if (halves.length === 2 ? gap < 1 : gap !== 0) return null;
  const groups = [...front, ...new Array<string>(gap).fill("0"), ...back];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return groups.map((group) => Number.parseInt(group, 16));
}

/** The IPv4 bytes inside an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2); `null` for others. */
export function mappedIPv4(groups: readonly number[]): readonly number[] | null {
  if (groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff) return null;
  const [high, low] = [groups[6] as number, groups[7] as number];
  return [high >> 8, high & 255, low >> 8, low & 255];
}

/** An IPv4 address that a dual-stack socket shows as `::ffff:192.0.2.1`, as IPv4; others as they are. */
export function unmapAddress(address: string): string {
  const groups = address.includes(":") ? parseIPv6(address) : null;
  return (groups && mappedIPv4(groups)?.join(".")) ?? address;
}

/** Whether an address is this machine's loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
export function isLoopback(address: string): boolean {
  const plain = unmapAddress(address);
  return parseIPv4(plain)?.[0] === 127 || parseIPv6(plain)?.join() === "0,0,0,0,0,0,0,1";
}

/**
 * The key that limits on a source count by: an IPv4 address, or an IPv6 network of 64 bits, as one user has all of it. Anything
 * that is no address counts as one source.
 */
export function sourceKey(address: string | undefined): string {
  // The zone of a link-local address comes last and is not part of the network.
  const plain = unmapAddress((address ?? "").split("%")[0] as string);
  if (parseIPv4(plain)) return plain;
  const groups = parseIPv6(plain);
  if (!groups) return "unknown";
  const network = groups.slice(0, 4).map((group) => group.toString(16));
  return `${network.join(":")}::/64`;
}
