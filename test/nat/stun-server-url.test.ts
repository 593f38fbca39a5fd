// `stun:` URLs, and what is none.

import { expect, test } from "vitest";
import { parseStunUrl } from "../../src/nat/stun-server-url.js";

test.each([
  ["stun:stun.example", "stun.example", 3478],
  ["stun:stun.example:19302", "stun.example", 19_302],
  ["STUN:Stun.Example.", "stun.example.", 3478],
  ["stun:localhost:1", "localhost", 1],
  ["stun:xn--bcher-kva.example", "xn--bcher-kva.example", 3478],
  ["stun:192.0.2.1:65535", "192.0.2.1", 65_535],
  ["stun:[2001:DB8:0::1]", "2001:db8::1", 3478],
  ["stun:[2001:db8::1]:5000", "2001:db8::1", 5000],
  ["stun:[::ffff:192.0.2.1]", "192.0.2.1", 3478],
])("%s is %s at port %i", (url, host, port) => {
  expect(parseStunUrl(url)).toEqual({ host, port });
});

test.each([
  ["stuns:stun.example", "ERR_OPTION_INVALID"],
  ["turn:turn.example", "ERR_OPTION_INVALID"],
  ["stun.example:3478", "ERR_OPTION_INVALID"],
  ["stun", "ERR_OPTION_INVALID"],
  ["", "ERR_OPTION_INVALID"],
  [undefined as unknown as string, "ERR_OPTION_INVALID"],
  [`stun:${"a.".repeat(200)}example`, "ERR_OPTION_INVALID"],
  ["stun:", "ERR_ADDRESS_INVALID"],
  ["stun::3478", "ERR_ADDRESS_INVALID"],
  ["stun://stun.example", "ERR_ADDRESS_INVALID"],
  ["stun:stun.example/path", "ERR_ADDRESS_INVALID"],
  ["stun:stun.example?transport=udp", "ERR_ADDRESS_INVALID"],
  ["stun:user@stun.example", "ERR_ADDRESS_INVALID"],
  ["stun:stun example", "ERR_ADDRESS_INVALID"],
  ["stun:a..example", "ERR_ADDRESS_INVALID"],
  [`stun:${"a".repeat(64)}.example`, "ERR_ADDRESS_INVALID"],
  [`stun:${"a.".repeat(125)}example`, "ERR_ADDRESS_INVALID"],
  ["stun:bücher.example", "ERR_ADDRESS_INVALID"],
  ["stun:2130706433", "ERR_ADDRESS_INVALID"],
  ["stun:0x7f.1", "ERR_ADDRESS_INVALID"],
  ["stun:127.1", "ERR_ADDRESS_INVALID"],
  ["stun:300.0.0.1", "ERR_ADDRESS_INVALID"],
  ["stun:[192.0.2.1]", "ERR_ADDRESS_INVALID"],
  ["stun:[fe80::1%eth0]", "ERR_ADDRESS_INVALID"],
  ["stun:[::1", "ERR_OPTION_INVALID"],
  ["stun:2001:db8::1", "ERR_ADDRESS_INVALID"],
  ["stun:stun.example:", "ERR_ADDRESS_INVALID"],
  ["stun:stun.example:0", "ERR_ADDRESS_INVALID"],
  ["stun:stun.example:65536", "ERR_ADDRESS_INVALID"],
  ["stun:stun.example:+80", "ERR_ADDRESS_INVALID"],
])("%s is refused with %s", (url, code) => {
  expect(() => parseStunUrl(url)).toThrow(expect.objectContaining({ code }));
});
