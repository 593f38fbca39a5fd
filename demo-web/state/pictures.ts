// Which received files are shown as pictures: told by their first bytes, never by their name or claimed type.

/** Larger pictures are offered as a file only: decoding them could stall the page. In bytes. */
export const MAX_PICTURE_BYTES = 16 * 1024 * 1024;
/** As many bytes as {@link pictureType} looks at. */
export const PICTURE_HEAD_BYTES = 12;

/** The media type of a picture that may be shown, or `null`. SVG is not among them: it is a document that can run scripts. */
export function pictureType(head: Uint8Array): string | null {
  if (startsWith(head, 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return "image/png";
  if (startsWith(head, 0, [0xff, 0xd8, 0xff])) return "image/jpeg";
  if (startsWith(head, 0, [0x47, 0x49, 0x46, 0x38]) && (head[4] === 0x37 || head[4] === 0x39) && head[5] === 0x61)
    return "image/gif";
  if (startsWith(head, 0, [0x52, 0x49, 0x46, 0x46]) && startsWith(head, 8, [0x57, 0x45, 0x42, 0x50])) return "image/webp";
  return null;
}

function startsWith(bytes: Uint8Array, offset: number, expected: readonly number[]): boolean {
  return expected.every((byte, index) => bytes[offset + index] === byte);
}
