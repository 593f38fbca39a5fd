// The bytes and texts of port mapping, and what happens to rubbish in their place.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/core/bytes.js";
import { gatewaysOfNetstat, gatewaysOfProcRoute } from "../../../src/node/gateway/default-gateway.js";
import { externalAddressProblem, GatewayError, type PortRequest } from "../../../src/node/gateway/gateway-client.js";
import {
  decodeNatPmpAddress,
  decodeNatPmpMap,
  decodePcpMap,
  encodeNatPmpMap,
  encodePcpMap,
} from "../../../src/node/gateway/pmp-message.js";
import {
  decodeDescription,
  decodeExternalAddress,
  decodeFault,
  decodeSearchAnswer,
  encodeAction,
  encodeSearches,
} from "../../../src/node/gateway/upnp-message.js";

const REQUEST: PortRequest = { protocol: "udp", internalPort: 0x1f90, externalPort: 0x2328 };
const NONCE = Uint8Array.from({ length: 12 }, (_, i) => 0xa0 + i);
const LOCATION = new URL("http://192.168.1.1:5000/desc.xml");

describe("the bytes that are sent", () => {
  test("a PCP request has the fields of RFC 6887, figures 2 and 9", () => {
    expect(toHex(encodePcpMap(REQUEST, "192.168.1.2", NONCE, 7_200))).toBe(
      [
        "02010000" + "00001c20" + "00000000000000000000ffffc0a80102",
        "a0a1a2a3a4a5a6a7a8a9aaab" + "11000000" + "1f902328" + "00000000000000000000ffff00000000",
      ].join(""),
    );
    // §15: to delete, the lifetime is nothing, and nothing is wished.
    expect(toHex(encodePcpMap(REQUEST, "192.168.1.2", NONCE, 0)).slice(8, 16)).toBe("00000000");
    expect(toHex(encodePcpMap(REQUEST, "192.168.1.2", NONCE, 0)).slice(80, 88)).toBe("1f900000");
  });

  test("a NAT-PMP request has those of RFC 6886 §3.3 and §3.4", () => {
    expect(toHex(encodeNatPmpMap(REQUEST, 7_200))).toBe("000100001f90232800001c20");
    expect(toHex(encodeNatPmpMap({ ...REQUEST, protocol: "tcp" }, 0))).toBe("000200001f90000000000000");
  });

  test("a search and an action are those of the UPnP Device Architecture", () => {
    const [newer, elder] = encodeSearches().map((bytes) => new TextDecoder().decode(bytes));
    expect(newer).toMatch(/^M-SEARCH \* HTTP\/1\.1\r\n(.+\r\n)*ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\n\r\n$/);
    expect(elder).toContain("InternetGatewayDevice:1");
    expect(encodeAction("urn:x", "Do", [["NewA", 1]])).toContain('<u:Do xmlns:u="urn:x"><NewA>1</NewA></u:Do>');
  });
});

describe("what is read", () => {
  test("a description gives the services that map ports, best first, and their addresses", () => {
    const service = (type: string, url: string): string =>
      `<service><serviceTypes>no</serviceTypes><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${url}</controlURL></service>`;
    const xml = `<root><serviceListing>no</serviceListing><serviceList>${service("WANPPPConnection:1", "/ppp?a=1&amp;b=2")}
      ${service("WANIPConnection:1", "http://192.168.1.1:80/ip1")}${service("WANIPConnection:2", "ip2")}
      ${service("WANIPConnection:1", "https://192.168.1.1/ip1")}${service("WANIPConnection:1", "http://192.168.1.2/")}</serviceList></root>`;
    expect(decodeDescription(xml, LOCATION).map(({ controlUrl }) => controlUrl.href)).toEqual([
      "http://192.168.1.1:5000/ip2",
      "http://192.168.1.1/ip1",
      "http://192.168.1.1:5000/ppp?a=1&b=2",
    ]);
  });

  test("an address of an uplink that is not in use is none", () => {
    expect(decodeExternalAddress("<NewExternalIPAddress>5.6.7.8</NewExternalIPAddress>")).toBe("5.6.7.8");
    for (const text of ["0.0.0.0", "", "(null)", "5.6.7", "5.6.7.8.9", "05.6.7.8", "::1"]) {
      expect(decodeExternalAddress(`<NewExternalIPAddress>${text}</NewExternalIPAddress>`)).toBeNull();
    }
  });

  test.each(["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "11.0.0.1"])(
    "%s is an outside address",
    (address) => expect(externalAddressProblem(address)).toBeNull(),
  );

  test("routers are found in Linux's table, the preferred one first, without routes that are down or lead to no router", () => {
    const table = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\tFE01000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
eth1\t00000000\t0102A8C0\t0002\t0\t0\t10\t00000000\t0\t0\t0
eth0\t0001000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
`;
    const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
    if (isLittleEndian) expect(gatewaysOfProcRoute(table)).toEqual(["10.0.1.254", "192.168.1.1"]);
    expect(gatewaysOfProcRoute("")).toEqual([]);
  });

  test("routers are found in what netstat prints on macOS, Windows and the BSDs", () => {
    const mac = `Routing tables\n\nInternet:\nDestination        Gateway            Flags           Netif Expire
default            192.168.1.1        UGScg             en0
default            link#22            UCSIg       bridge100      !
127                127.0.0.1          UCS               lo0\n\nInternet6:\ndefault  fe80::1%en0  UGcg en0\n`;
    expect(gatewaysOfNetstat(mac)).toEqual(["192.168.1.1"]);
    const windows = `IPv4 Route Table\r\nActive Routes:\r\nNetwork Destination        Netmask          Gateway       Interface  Metric\r
          0.0.0.0          0.0.0.0      192.168.0.1     192.168.0.17     35\r
        127.0.0.0        255.0.0.0         On-link         127.0.0.1    331\r\n`;
    expect(gatewaysOfNetstat(windows)).toEqual(["192.168.0.1"]);
    expect(gatewaysOfNetstat("0.0.0.0         10.0.0.1        0.0.0.0         UG        0 0          0 eth0\n")).toEqual([
      "10.0.0.1",
    ]);
    expect(gatewaysOfNetstat("")).toEqual([]);
  });
});

describe("rubbish", () => {
  const answers = (read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError);
    }
  };

  test("bytes of any kind are an answer, no answer or a refusal", () => {
    const start = fc.constantFrom<number[]>([], [2, 0x81, 0, 0], [0, 0x80, 0, 0], [0, 0x81, 0, 0]);
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 80 }), (first, rest) => {
        const bytes = Uint8Array.from([...first, ...rest]);
        answers(() => decodePcpMap(bytes, REQUEST, NONCE));
        answers(() => decodeNatPmpAddress(bytes));
        answers(() => decodeNatPmpMap(bytes, REQUEST));
      }),
    );
  });

  test("an answer cut short at any byte is none", () => {
    const answer = encodePcpMap(REQUEST, "192.168.1.2", NONCE, 7_200);
    answer.set([2, 0x81, 0, 0]);
    answer.set([11, 22, 33, 44], 56);
    expect(decodePcpMap(answer, REQUEST, NONCE)).toMatchObject({ externalAddress: "11.22.33.44" });
    for (let length = 0; length < answer.length; length++) {
      expect(decodePcpMap(answer.subarray(0, length), REQUEST, NONCE)).toBeNull();
    }
    // That of another port, of another protocol, or to another process.
    for (const place of [24, 36, 40]) {
      const other = Uint8Array.from(answer);
      other[place] = (other[place] as number) ^ 1;
      expect(decodePcpMap(other, REQUEST, NONCE)).toBeNull();
    }
  });

  test("texts of any kind are read without an error, in a time that grows with their length", () => {
    const word = fc.constantFrom(
      "<service>",
      "</service>",
      "<serviceType>",
      "<controlURL>",
      "<URLBase>",
      "<errorCode>",
      "<",
      ">",
      "http://",
      "&amp;",
      "a",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word, { maxLength: 60 }).map((words) => words.join("")),
        ),
        (text) => {
          decodeDescription(text, LOCATION);
          decodeExternalAddress(text);
          decodeFault(text);
          decodeSearchAnswer(text, "192.168.1.1");
          decodeSearchAnswer(`HTTP/1.1 200 OK\r\nST: x:InternetGatewayDevice:1\r\nLOCATION: ${text}`, "192.168.1.1");
        },
      ),
    );
    for (const word of ["<service>", "<serviceX", "<service ", "<service></service>"]) {
      const started = performance.now();
      decodeDescription(word.repeat((128 * 1024) / word.length), LOCATION);
      expect(performance.now() - started).toBeLessThan(1_000);
    }
  });
});
