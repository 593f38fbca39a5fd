// The WebRTC implementation that Node may have beside us.

/** @throws Error with a sentence, where the package is not installed */
export async function loadWebRtc(): Promise<unknown> {
  // A variable, so that bundlers leave alone what may not be there.
  const name = "@roamhq/wrtc";
  try {
    const loaded = (await import(name)) as { default?: unknown };
    return loaded.default ?? loaded;
  } catch {
    throw new Error("--webrtc needs the package @roamhq/wrtc: npm install @roamhq/wrtc");
  }
}
