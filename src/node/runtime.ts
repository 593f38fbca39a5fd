// The Node runtime: what this build brings to core.

import { randomFillSync } from "node:crypto";
import type { NetworkManagerOptions } from "../core/options.js";
import type { PortMapping, PortMappingContext } from "../core/path/port-mapping.js";
import type { Transport } from "../core/path/transport.js";
import type { Random, Runtime } from "../core/runtime.js";
import type { Endpoint } from "../nat/datagram-port.js";
import { webrtcImplementation } from "../webrtc/webrtc-implementation.js";
import { webrtcTransport } from "../webrtc/webrtc-transport.js";
import { nodeAdvice } from "./advice.js";
import { nodeClock } from "./clock.js";
import { defaultGateways } from "./gateway/default-gateway.js";
import { localAddresses } from "./local-addresses.js";
import { watchNetwork } from "./network-watch.js";
import { nodeCrypto } from "./node-crypto.js";
import { allAddresses, gatewayWays, PortMapper } from "./port-mapping.js";
import { openRelaySocket } from "./relay-socket.js";
import { nodeTcpPunch } from "./tcp-punch-port.js";
import { tcpTransport } from "./tcp-transport.js";
import { UdpTransport } from "./udp-transport.js";
import { websocketTransport } from "./websocket-transport.js";

/**
 * What Node brings to `NetworkManager`.
 * @throws NetworkError `ERR_OPTION_INVALID` when `wrtc` is no WebRTC implementation
 */
export function nodeRuntime(options: NetworkManagerOptions = {}): Runtime {
  let mapper: PortMapper | null = null;
  const mapPorts = (context: PortMappingContext): PortMapping => {
    mapper = new PortMapper(
      {
        clock: nodeClock,
        ways: gatewayWays(nodeClock, nodeRandom),
        gateways: defaultGateways,
        localAddresses: allAddresses,
        onNetworkChange: (callback) => watchNetwork(nodeClock, localAddresses, callback),
      },
      context,
    );
    return mapper;
  };
  return {
    name: "node",
    clock: nodeClock,
    random: nodeRandom,
    crypto: nodeCrypto(),
    transports: nodeTransports(options, (port) => mapper?.udpEndpoints(port) ?? []),
    openRelaySocket,
    localAddresses,
    onNetworkChange: (callback) => watchNetwork(nodeClock, localAddresses, callback),
    ...(options.portMapping === true ? { mapPorts } : {}),
    advice: nodeAdvice,
    maxConnections: 300,
  };
}

const nodeRandom: Random = { bytes: (length) => randomFillSync(new Uint8Array(length)) };

function nodeTransports(options: NetworkManagerOptions, mappedEndpoints: (port: number) => readonly Endpoint[]): Transport[] {
  const disabled = new Set(options.disableTransports);
  const transports: Transport[] = [];
  // One port for both kinds: whichever comes first opens it.
  if (!disabled.has("tcp")) {
    const punch = nodeTcpPunch(nodeClock, nodeRandom);
    transports.push(tcpTransport({ acceptWebSocket: !disabled.has("websocket"), punch }));
  }
  if (!disabled.has("websocket")) transports.push(websocketTransport({ ownPort: disabled.has("tcp") }));
  if (!disabled.has("udp")) {
    const loadUdx = async () => (await import("udx-native")).default;
    transports.push(
      new UdpTransport({ clock: nodeClock, random: nodeRandom, crypto: nodeCrypto(), localAddresses, mappedEndpoints, loadUdx }),
    );
  }
  const wrtc = options.wrtc === undefined || options.wrtc === null ? null : webrtcImplementation(options.wrtc);
  if (wrtc && !disabled.has("webrtc"))
    transports.push(webrtcTransport({ clock: nodeClock, iceServers: options.iceServers ?? [], wrtc }));
  return transports;
}
