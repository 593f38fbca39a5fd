// Every name that both builds export.

export type { BufferPoolStats, NetworkStats } from "./buffer-pool.js";
export type { ConnectOptions, DeliverOptions, ExplainOptions, MessageCallbackOptions, SendOptions } from "./call-options.js";
export type { PathAttempt, PathChange, PathStep } from "./connect/path-history.js";
export { ERROR_CODES, type ErrorCode, NetworkError } from "./errors.js";
export type { ConnectionStatus, EventHandler, NetworkEvents, PeerId, PeerInfo } from "./events.js";
export { FINDINGS, type FindingCode } from "./explain/findings.js";
export type {
  AddressVerdict,
  NatDependence,
  NatSummary,
  NetworkReport,
  PathReport,
  RelayReport,
  SideReport,
  TransportReport,
} from "./explain/report.js";
export { isPeerId } from "./identity.js";
export { defineMessage, type MessageDefinition, text } from "./message/define-message.js";
export type { Message, OutgoingMessage } from "./message/message.js";
export { CoreNetworkManager } from "./network-manager.js";
export type { IceServer, NetworkLimits, NetworkManagerOptions } from "./options.js";
export { type Datagrams, type Link, LinkBase, type LinkHandlers, type LinkKind, type LinkOutput } from "./path/link.js";
export type { Mappable, MappedPort, PortMappingStatus } from "./path/port-mapping.js";
export type { DialContext, ListenContext, Listener, NegotiateContext, Negotiation, Transport } from "./path/transport.js";
export type { RequestContext, RequestHandler } from "./request/handlers.js";
export { RequestError } from "./request/request-error.js";
export type { RequestOptions } from "./request/requests.js";
export type { Room } from "./room.js";
export type { SigningKey } from "./runtime.js";
export type { ByteStream } from "./stream/byte-stream.js";
export { parseTicket, type Ticket } from "./ticket.js";
