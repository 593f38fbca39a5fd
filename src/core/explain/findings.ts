// What `explain()` finds, as sentences with stable codes. The reports hold the codes, so that a page which shows none of it carries
// no sentences.

/**
 * The sentence of each code in a report. `WHY_…` says why something is as it is, `HINT_…` what would improve it. Codes are stable:
 * they are never renamed, only added.
 */
export const FINDINGS = {
  WHY_BEST: "nothing better is known that both sides have",
  WHY_NO_LINK: "the last link is gone, and every known way is tried until the session ends",
  WHY_FIXED: "the option upgrade is false, so the first path stays",
  WHY_UNTOLD: "the other side has not said where it can be reached",
  WHY_TRYING: "better paths are being tried",
  WHY_RETRY: "better paths failed and will be tried again",
  WHY_AWAITED: "it is up to the other side to open a better path",
  WHY_HOPELESS: "the NATs in between allow no direct path",
  WHY_NOTHING_COMMON: "the two sides have no direct way in common",

  WHY_DISABLED: "the option disableTransports leaves it out",
  WHY_NOT_HERE: "this runtime has none",

  HINT_RELAY_NONE: "Give relays in the options: without one only addresses can be dialled.",
  HINT_RELAY_DOWN: "No relay is connected. Is it running, and is its URL right?",
  HINT_STUN_NONE: "Give two stunServers, or a relay with STUN: nobody tells us our address outside of the NAT.",
  HINT_STUN_SECOND: "Give a second STUN server: one alone cannot tell whether the NAT keeps a port for all destinations.",
  HINT_UDP_MISSING: "Install the package udx-native: without it there are no paths by UDP.",
  HINT_UDP_BLOCKED: "No STUN server answers by UDP. A firewall may block it; paths by TCP and the relay remain.",
  HINT_WEBRTC_MISSING:
    "Install @roamhq/wrtc and give it as the option wrtc: browsers behind NATs reach this peer only by WebRTC.",
  HINT_NAT_RANDOM:
    "The NAT takes a random port for each destination: peers behind such NATs cannot be reached directly. A forwarded port, the option portMapping or TURN would help.",
  HINT_NAT_SEQUENTIAL:
    "The NAT takes another port for each destination, which has to be predicted: direct paths may fail now and then. A forwarded port or the option portMapping would help.",
  HINT_PORTS_HOPELESS:
    "The ports of both NATs cannot be predicted, so no direct path is possible. A forwarded port, the option portMapping or TURN on one side would help.",
  HINT_PUNCH_FAILED:
    "No probe came through the NATs or firewalls in between. A forwarded port or the option portMapping on one side would help.",
  HINT_PAGE_HTTPS:
    "The page is from https:// and may not open ws:// to other machines. WebRTC at the other side, or wss:// with a certificate, would help.",
  HINT_TURN: "WebRTC found no way. A TURN server in iceServers would help.",
  HINT_REMOTE_UDP_MISSING: "The other side has no UDP. Install udx-native there.",
  HINT_REMOTE_WEBRTC_MISSING:
    "The other side is a Node peer without WebRTC. Install @roamhq/wrtc there and give it as the option wrtc.",
} as const;

/** A code of {@link FINDINGS}. */
export type FindingCode = keyof typeof FINDINGS;
