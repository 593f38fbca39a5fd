// How two pages of one origin tell each other what WebRTC needs: the least that there is.

/**
 * @param {string} name
 * @param {(signal: any) => void} onSignal
 * @returns {(signal: unknown) => void} tells the other page
 */
export function signalling(name, onSignal) {
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }) => onSignal(JSON.parse(data));
  return (signal) => channel.postMessage(JSON.stringify(signal));
}
