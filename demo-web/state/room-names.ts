// Makes up names for rooms that are easy to read aloud and hard to guess.

const FIRST = "amber autumn bright calm clear copper coral dusty early evening gentle golden hidden indigo little lucky".split(
  " ",
);
const SECOND = "anchor basin bay bridge canal dune ferry fjord garden harbor island lagoon meadow orchard river valley".split(
  " ",
);

/** Such as `calm-ferry-k4tm9q2x`: the words are for people, the 8 letters of base32 (40 bits) are what nobody guesses. */
export function inventRoomName(random: (length: number) => Uint8Array = drawBytes): string {
  const bytes = random(10);
  const letters = Array.from(bytes.subarray(2), (byte) => "abcdefghijkmnpqrstuvwxyz23456789"[byte % 32]).join("");
  return `${FIRST[(bytes[0] ?? 0) % FIRST.length]}-${SECOND[(bytes[1] ?? 0) % SECOND.length]}-${letters}`;
}

function drawBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
