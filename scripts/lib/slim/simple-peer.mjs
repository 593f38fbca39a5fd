// simple-peer as the browser build takes it: what src/webrtc/webrtc-link.ts uses of it, as a module. Without sound and pictures, other
// kinds of signals, the stream that a peer is in Node, a second negotiation, browsers of long ago, and a debug log.

import { join } from "node:path";
import { ROOT } from "../run.mjs";
import { Source } from "./source.mjs";

/** What a peer is built upon, in the place of `readable-stream`. */
const DUPLEX = JSON.stringify(join(ROOT, "src/browser/simple-peer-stream.ts"));

/** What nobody calls: media, what a stream has, candidates (told as they come, and added by us), and waiting for the last of them. */
const METHODS = [
  ..."addTransceiver addStream addTrack replaceTrack removeTrack removeStream _onTrack _requestMissingTransceivers".split(" "),
  ..."bufferSize connected address _read _write _onFinish _onInterval _onChannelBufferedAmountLow".split(" "),
  ..."_addIceCandidate _startIceCompleteTimeout negotiate _debug".split(" "),
];

/** What only they read. */
const FIELDS = [
  ..."_id channelName channelConfig channelNegotiated offerOptions answerOptions sdpTransform streams trickle".split(" "),
  ..."allowHalfTrickle iceCompleteTimeout remoteFamily localAddress localFamily localPort _wrtc _iceComplete".split(" "),
  ..."_iceCompleteTimer _pendingCandidates _isNegotiating _firstNegotiation _batchedNegotiation _queuedNegotiation".split(" "),
  ..."_sendersAwaitingStable _senderMap _remoteTracks _remoteStreams _chunk _cb _interval _isReactNativeWebrtc".split(" "),
  ..."_onFinishBound readable".split(" "),
].map((name) => `this.${name} =`);

const STATEMENTS = [
  ...FIELDS,
  "this._pc.ontrack =",
  "this._channel.onbufferedamountlow =",
  "offer.sdp =",
  "answer.sdp =",
  "Peer.config =",
  "Peer.channelConfig =",
  "this._debug()",
  "this._requestMissingTransceivers()",
  "this._startIceCompleteTimeout()",
  "this._pendingCandidates.forEach()",
];

const NEVER = [
  "typeof data === 'string'",
  "data.renegotiate && this.initiator",
  "data.transceiverRequest && this.initiator",
  "data.candidate",
  "!data.sdp && !data.candidate && !data.renegotiate && !data.transceiverRequest",
  "!event.candidate && !this._iceComplete",
  "!this._wrtc",
  "this.streams",
  "this.channelNegotiated",
  "this._chunk",
  "typeof this._channel.bufferedAmountLowThreshold === 'number'",
  "typeof this._channel.bufferedAmountLowThreshold !== 'number'",
  // The near end of the path is told to nobody.
  "local && (local.ip || local.address)",
  "this.localAddress",
  // Chrome 57, and Firefox of that time.
  "local && local.ipAddress",
  "remote && remote.ipAddress",
  "typeof selectedCandidatePair.googLocalAddress === 'string'",
  "typeof selectedCandidatePair.googRemoteAddress === 'string'",
  "(item.type === 'googCandidatePair' && item.googActiveConnection === 'true')",
];

/** @param {string} path */
function onlyData(path) {
  return new Source(path)
    .unwrapping("errCode")
    .without(METHODS)
    .bodies({
      _needsNegotiation: "{ if (this.initiator) setTimeout(() => this._createOffer(), 0); }",
      _onSignalingStateChange: "{ if (!this.destroyed) this.emit('signalingStateChange'); }",
      getStats: "{ this._pc.getStats().then((reports) => cb(null, [...reports.values()]), cb); }",
    })
    .instead({
      ...Object.fromEntries(NEVER.map((condition) => [condition, "false"])),
      "this.trickle || this._iceComplete": "true",
      "event.candidate && this.trickle": "event.candidate",
      "item.type === 'remotecandidate' || item.type === 'remote-candidate'": "item.type === 'remote-candidate'",
      "item.type === 'localcandidate' || item.type === 'local-candidate'": "item.type === 'local-candidate'",
      "item.type === 'candidatepair' || item.type === 'candidate-pair'": "item.type === 'candidate-pair'",
      "let local = localCandidates[selectedCandidatePair.localCandidateId]": "let local",
      "Object.assign({}, Peer.config, opts.config)": "opts.config",
      "this._pc.createDataChannel(this.channelName, this.channelConfig)": "this._pc.createDataChannel('')",
      "this._pc.createOffer(this.offerOptions)": "this._pc.createOffer()",
      "this._pc.createAnswer(this.answerOptions)": "this._pc.createAnswer()",
      "(this._wrtc.RTCPeerConnection)": "RTCPeerConnection",
      "new (this._wrtc.RTCSessionDescription)(data)": "data",
      "Buffer.from(data)": "new Uint8Array(data)",
      "if (!this._readableState.ended) this.push(null)": "",
      "if (!this._writableState.finished) this.end()": "",
      "if (this._onFinishBound) this.removeListener('finish', this._onFinishBound)": "",
      "this.once('finish', this._onFinishBound)": "",
      "clearInterval(this._interval)": "",
      "!!getBrowserRTC()": "typeof RTCPeerConnection !== 'undefined'",
      "const debug = require('debug')('simple-peer')": "",
      "const getBrowserRTC = require('get-browser-rtc')": "",
      "const randombytes = require('randombytes')": "",
      "const stream = require('readable-stream')": "",
      "stream.Duplex": "Duplex",
      "const queueMicrotask = require('queue-microtask')": "",
      "const errCode = require('err-code')": "",
      "const { Buffer } = require('buffer')": "",
      "module.exports = Peer": "export default Peer",
    })
    .withoutStatements(STATEMENTS)
    .adding(`import { Duplex } from ${DUPLEX};`).code;
}

/**
 * @param {string} folder of simple-peer
 * @returns {import("esbuild").Plugin}
 */
export function slimSimplePeer(folder) {
  return {
    name: "slim-simple-peer",
    setup(build) {
      const path = join(folder, "index.js");
      build.onResolve({ filter: /^simple-peer\/simplepeer\.min\.js$/ }, () => ({ path, sideEffects: false }));
      build.onLoad({ filter: /[\\/]simple-peer[\\/]index\.js$/ }, () => ({ contents: onlyData(path), loader: "js" }));
    },
  };
}
