// Texts of UPnP's Internet Gateway Device: search by SSDP, description in XML, actions by SOAP. They come from whoever answers on the
// LAN, so they are read with searches for fixed words alone, each character looked at a fixed number of times.

import { parseIPv4 } from "../../core/path/ip-address.js";
import { GatewayError } from "./gateway-client.js";

/** A service of a gateway that maps ports, and where it takes its orders. */
export interface WanService {
  readonly type: string;
  readonly controlUrl: URL;
}

/** The ones that map ports (WANIPConnection:2 §1, :1 §1, WANPPPConnection:1), best first. */
const WAN_SERVICES = ["WANIPConnection:2", "WANIPConnection:1", "WANPPPConnection:1"].map(
  (name) => `urn:schemas-upnp-org:service:${name}`,
);

/** Services that are tried of one gateway: some list one for each kind of uplink, of which one is in use. */
const MAX_SERVICES = 4;

/** What is searched for. A device of version 2 answers to 1 as well, as a rule. */
const DEVICES = [2, 1].map((version) => `urn:schemas-upnp-org:device:InternetGatewayDevice:${version}`);

/** UPnP errors that we do something about, and some for people (WANIPConnection:1 §2.4.16, :2 §2.5). */
export const UPNP_ONLY_PERMANENT = 725;
export const UPNP_CONFLICT = 718;
const UPNP_ERRORS: Record<number, string> = {
  402: "invalid arguments",
  501: "action failed",
  606: "not authorised",
  718: "another host has this port",
  724: "only the same port outside",
  725: "only permanent mappings",
  728: "no free ports left",
  729: "in conflict with another rule",
};

/** The searches to send, one datagram each (UPnP Device Architecture 1.1 §1.3.2). */
export function encodeSearches(): Uint8Array[] {
  return DEVICES.map((device) =>
    Buffer.from(
      ["M-SEARCH * HTTP/1.1", "HOST: 239.255.255.250:1900", 'MAN: "ssdp:discover"', "MX: 1", `ST: ${device}`, "", ""].join(
        "\r\n",
      ),
    ),
  );
}

/**
 * Where an answer to a search says that the gateway describes itself.
 * @param gateway - address that must have sent it, and must be the one described: nobody sends us elsewhere
 * @returns `null` for anything else
 */
export function decodeSearchAnswer(text: string, gateway: string): URL | null {
  const lines = text.split("\r\n");
  if (!/^HTTP\/1\.[01] 200\b/.test(lines[0] as string)) return null;
  const header = (name: string): string => {
    const line = lines.find((one) => one.toLowerCase().startsWith(`${name}:`));
    return line === undefined ? "" : line.slice(name.length + 1).trim();
  };
  return header("st").includes(":InternetGatewayDevice:") ? urlOf(header("location"), undefined, gateway) : null;
}

/**
 * The services in a description that map ports, best first.
 * @param location - where the description came from; the services must be there too
 */
export function decodeDescription(xml: string, location: URL): WanService[] {
  const gateway = location.hostname;
  const base = urlOf(elementText(xml, "URLBase") ?? "", undefined, gateway) ?? location;
  const services = elements(xml, "service").flatMap((service) => {
    const type = elementText(service, "serviceType") ?? "";
    const controlUrl = urlOf(elementText(service, "controlURL") ?? "", base, gateway);
    return WAN_SERVICES.includes(type) && controlUrl ? [{ type, controlUrl }] : [];
  });
  return services.sort((a, b) => WAN_SERVICES.indexOf(a.type) - WAN_SERVICES.indexOf(b.type)).slice(0, MAX_SERVICES);
}

/** The body of an action (UPnP Device Architecture 1.1 §3.2.1). Values must need no escaping. */
export function encodeAction(
  serviceType: string,
  action: string,
  values: readonly (readonly [string, string | number])[],
): string {
  const inside = values.map(([name, value]) => `<${name}>${value}</${name}>`).join("");
  return `<?xml version="1.0"?>\r
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">\
<s:Body><u:${action} xmlns:u="${serviceType}">${inside}</u:${action}></s:Body></s:Envelope>\r
`;
}

/** What a SOAP fault says, with its number; `null` when the answer holds none. */
export function decodeFault(xml: string): { readonly code: number; readonly error: GatewayError } | null {
  const text = elementText(xml, "errorCode");
  if (text === null || !/^\d{1,4}$/.test(text)) return null;
  const code = Number(text);
  return { code, error: new GatewayError(`${UPNP_ERRORS[code] ?? "error"} (${code})`) };
}

/** The address in an answer to `GetExternalIPAddress`; `null` where there is none, as of an uplink that is not in use. */
export function decodeExternalAddress(xml: string): string | null {
  const address = elementText(xml, "NewExternalIPAddress") ?? "";
  return parseIPv4(address) && address !== "0.0.0.0" ? address : null;
}

// Only plain HTTP, and only to the gateway itself.
function urlOf(text: string, base: URL | undefined, gateway: string): URL | null {
  if (text === "" || text.length > 1_024) return null;
  try {
    const url = new URL(text, base);
    return url.protocol === "http:" && url.hostname === gateway && url.username === "" && url.password === "" ? url : null;
  } catch {
    return null;
  }
}

/** The text of the first element of this name, attributes ignored; `null` when there is none. */
function elementText(xml: string, name: string): string | null {
  const content = elementAt(xml, name, 0)?.content;
  return content === undefined ? null : content.trim().replaceAll("&amp;", "&");
}

function elements(xml: string, name: string): string[] {
  const found: string[] = [];
  for (let one = elementAt(xml, name, 0); one; one = elementAt(xml, name, one.end)) found.push(one.content);
  return found;
}

function elementAt(xml: string, name: string, from: number): { readonly content: string; readonly end: number } | null {
  for (let at = xml.indexOf(`<${name}`, from); at >= 0; at = xml.indexOf(`<${name}`, at + 1)) {
    // The name of another element may begin so.
    if (!/[\s>]/.test(xml.charAt(at + name.length + 1))) continue;
    const start = xml.indexOf(">", at) + 1;
    const end = start === 0 ? -1 : xml.indexOf(`</${name}>`, start);
    return end < 0 ? null : { content: xml.slice(start, end), end };
  }
  return null;
}
