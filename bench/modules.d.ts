// What is installed in bench/ alone: the top-level type check has to pass without it. `ws` and `udx-native` have types there already.

declare module "@chainsafe/libp2p-noise";
declare module "@chainsafe/libp2p-yamux";
declare module "@hyperswarm/secret-stream";
declare module "@libp2p/tcp";
declare module "@multiformats/multiaddr";
declare module "libp2p";
declare module "peer";
declare module "uint8arraylist";
