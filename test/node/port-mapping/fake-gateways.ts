// Gateways on this machine's loopback that do what a test says. They read and write the protocols by themselves, byte by byte.

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Of a port that is open: `tcp:8080` leads to what. */
export interface OpenPort {
  readonly internalPort: number;
  readonly lifetimeSeconds: number;
}

export interface PmpBehaviour {
  /** Default both. */
  pcp?: boolean;
  natPmp?: boolean;
  /** Default 11.22.33.44. */
  externalAddress?: string;
  /** Result code of every answer. Default 0. */
  result?: number;
  /** Most seconds that it grants. Default: what is asked. */
  maxSeconds?: number;
  /** Datagrams that get lost before the first that is read. Default 0. */
  losses?: number;
  /** Ports that others have; the next free one is given instead. */
  taken?: readonly number[];
  /** What is sent before each answer. */
  garbage?: readonly Uint8Array[];
}

/** Speaks PCP (RFC 6887) and NAT-PMP (RFC 6886). */
export class FakePmpGateway implements AsyncDisposable {
  readonly behaviour: PmpBehaviour;
  /** By protocol and outside port, such as `tcp:8080`. */
  readonly open = new Map<string, OpenPort>();
  /** Called with each request, before it is answered. */
  onRequest: () => void = () => undefined;
  /** Everything received. */
  readonly received: Buffer[] = [];
  readonly #socket: Socket;
  #losses: number;
  readonly #nonces = new Map<string, string>();
  #closed: Promise<void> | null = null;

  private constructor(socket: Socket, behaviour: PmpBehaviour) {
    this.#socket = socket;
    this.behaviour = behaviour;
    this.#losses = behaviour.losses ?? 0;
    socket.on("message", (bytes, from) => this.#receive(bytes, from));
  }

  static async start(behaviour: PmpBehaviour = {}): Promise<FakePmpGateway> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new FakePmpGateway(socket, behaviour);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Calling it twice is harmless. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= new Promise<void>((resolve) => this.#socket.close(() => resolve()));
    await this.#closed;
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    this.received.push(bytes);
    this.onRequest();
    if (this.#losses-- > 0) return;
    const { pcp = true, natPmp = true, garbage = [] } = this.behaviour;
    for (const rubbish of garbage) this.#socket.send(rubbish, from.port, from.address);
    const send = (answer: Buffer): void => this.#socket.send(answer, from.port, from.address);
    if (bytes[0] === 2) {
      if (pcp) send(this.#pcp(bytes));
      else if (natPmp) send(Buffer.from([0, 128 + (bytes[1] as number), 0, 1, 0, 0, 0, 9]));
    } else if (natPmp) send(bytes.length === 2 ? this.#address() : this.#natPmp(bytes));
  }

  #pcp(request: Buffer): Buffer {
    const answer = Buffer.from(request);
    answer.fill(0, 2, 24);
    answer[1] = 0x81;
    const protocol = request[36] === 6 ? "tcp" : "udp";
    const internal = request.readUInt16BE(40);
    const nonce = request.toString("hex", 24, 36);
    const known = this.#nonces.get(`${protocol}:${internal}`);
    // RFC 6887 §11.3: somebody else's mapping stays.
    answer[3] = known !== undefined && known !== nonce ? 2 : (this.behaviour.result ?? 0);
    if (answer[3] !== 0) return answer;
    this.#nonces.set(`${protocol}:${internal}`, nonce);
    const { external, seconds } = this.#grant(protocol, internal, request.readUInt16BE(42), request.readUInt32BE(4));
    answer.writeUInt32BE(seconds, 4);
    answer.writeUInt16BE(external, 42);
    answer.fill(0, 44, 54).fill(0xff, 54, 56).set(this.#external, 56);
    return answer;
  }

  #natPmp(request: Buffer): Buffer {
    const answer = Buffer.alloc(16);
    answer[1] = 128 + (request[1] as number);
    answer.writeUInt16BE(this.behaviour.result ?? 0, 2);
    const internal = request.readUInt16BE(4);
    const protocol = request[1] === 2 ? "tcp" : "udp";
    answer.writeUInt16BE(internal, 8);
    if (this.behaviour.result) return answer;
    const { external, seconds } = this.#grant(protocol, internal, request.readUInt16BE(6), request.readUInt32BE(8));
    answer.writeUInt16BE(external, 10);
    answer.writeUInt32BE(seconds, 12);
    return answer;
  }

  #address(): Buffer {
    const answer = Buffer.from([0, 128, 0, this.behaviour.result ?? 0, 0, 0, 0, 9, ...this.#external]);
    return answer;
  }

  get #external(): number[] {
    return (this.behaviour.externalAddress ?? "11.22.33.44").split(".").map(Number);
  }

  #grant(protocol: string, internal: number, wished: number, asked: number): { external: number; seconds: number } {
    const seconds = Math.min(asked, this.behaviour.maxSeconds ?? asked);
    if (asked === 0) {
      for (const [key, port] of this.open) {
        if (key.startsWith(protocol) && port.internalPort === internal) this.open.delete(key);
      }
      return { external: 0, seconds: 0 };
    }
    let external = wished;
    while (this.behaviour.taken?.includes(external)) external++;
    this.open.set(`${protocol}:${external}`, { internalPort: internal, lifetimeSeconds: seconds });
    return { external, seconds };
  }
}

export interface UpnpBehaviour {
  /** Of the device and of its service. Default 2. */
  version?: 1 | 2;
  externalAddress?: string;
  /** Ports that other hosts have. */
  taken?: readonly number[];
  /** Default `false`. */
  onlyPermanent?: boolean;
  /** Another address of this machine that answers to searches. */
  answersFrom?: string;
  /** Where the description is said to be, instead of where it is. */
  location?: string;
  /** What is answered over HTTP instead, by path. */
  pages?: Record<string, (response: ServerResponse) => void>;
  /** The description itself. */
  description?: string;
}

/** Speaks SSDP and UPnP IGD. */
export class FakeUpnpGateway implements AsyncDisposable {
  readonly behaviour: UpnpBehaviour;
  readonly open = new Map<string, OpenPort & { readonly client: string }>();
  /** Actions that came, by name, and the paths that were asked for. */
  readonly requests: string[] = [];
  readonly #socket: Socket;
  readonly #server: Server;

  private constructor(socket: Socket, server: Server, behaviour: UpnpBehaviour) {
    this.#socket = socket;
    this.#server = server;
    this.behaviour = behaviour;
    socket.on("message", (bytes, from) => this.#search(bytes.toString(), from));
    server.on("request", (request, response) => this.#serve(request, response));
  }

  static async start(behaviour: UpnpBehaviour = {}): Promise<FakeUpnpGateway> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FakeUpnpGateway(socket, server, behaviour);
  }

  get ssdpPort(): number {
    return this.#socket.address().port;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  get #version(): number {
    return this.behaviour.version ?? 2;
  }

  #search(text: string, from: RemoteInfo): void {
    const device = /ST: (urn:schemas-upnp-org:device:InternetGatewayDevice:(\d))/.exec(text);
    if (!text.startsWith("M-SEARCH * HTTP/1.1\r\n") || !device || Number(device[2]) > this.#version) return;
    const location = this.behaviour.location ?? `${this.url}/desc.xml`;
    const answer = `HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: ${device[1]}\r\nUSN: uuid:1::x\r\nLOCATION: ${location}\r\n\r\n`;
    if (this.behaviour.answersFrom === undefined) this.#socket.send(answer, from.port, from.address);
    else {
      const other = createSocket("udp4");
      other.bind(0, this.behaviour.answersFrom, () => other.send(answer, from.port, from.address, () => other.close()));
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const page = this.behaviour.pages?.[request.url ?? ""];
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const action = /#(\w+)"$/.exec(String(request.headers.soapaction ?? ""))?.[1];
      this.requests.push(action ?? `${request.method} ${request.url}`);
      if (page) page(response);
      else if (request.url === "/desc.xml") response.end(this.behaviour.description ?? this.describe("/control"));
      else if (action) this.#act(action, body, response);
      else response.writeHead(404).end();
    });
  }

  /** A description as routers give it, with services that have nothing to do with mapping around the one that has. */
  describe(controlUrl: string): string {
    return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
      <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:${this.#version}</deviceType>
      <serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/l3f</controlURL></service></serviceList>
      <deviceList><device><serviceList><service>
        <serviceType>urn:schemas-upnp-org:service:WANIPConnection:${this.#version}</serviceType>
        <controlURL>${controlUrl}</controlURL><SCPDURL>/scpd.xml</SCPDURL>
      </service></serviceList></device></deviceList></device></root>`;
  }

  #act(action: string, body: string, response: ServerResponse): void {
    const value = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? "";
    const answer = (inside: string): void => {
      response.setHeader("content-type", "text/xml");
      response.end(
        `<?xml version="1.0"?><s:Envelope><s:Body><u:${action}Response>${inside}</u:${action}Response></s:Body></s:Envelope>`,
      );
    };
    const fault = (code: number): void => {
      response.writeHead(500, { "content-type": "text/xml" });
      response.end(
        `<s:Envelope><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError><errorCode>${code}</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`,
      );
    };
    const key = `${value("NewProtocol").toLowerCase()}:${value("NewExternalPort")}`;
    if (action === "GetExternalIPAddress") {
      // With attributes, as some routers write it.
      answer(`<NewExternalIPAddress dt:dt="string">${this.behaviour.externalAddress ?? "11.22.33.44"}</NewExternalIPAddress>`);
    } else if (action === "AddPortMapping") {
      const lifetimeSeconds = Number(value("NewLeaseDuration"));
      if (this.behaviour.taken?.includes(Number(value("NewExternalPort")))) return fault(718);
      if (this.behaviour.onlyPermanent && lifetimeSeconds !== 0) return fault(725);
      this.open.set(key, { internalPort: Number(value("NewInternalPort")), lifetimeSeconds, client: value("NewInternalClient") });
      answer("");
    } else if (action === "DeletePortMapping") {
      if (this.open.delete(key)) answer("");
      else fault(714);
    } else fault(401);
  }
}
