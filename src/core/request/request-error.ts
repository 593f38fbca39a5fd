// How a handler refuses a request: with a code that travels, and a text that stays.

import { NetworkError } from "../errors.js";
import { isRefusalCode, MAX_REFUSAL_CODE_LENGTH } from "../message/envelope.js";

/**
 * Thrown by a request handler to refuse: the requester gets `ERR_REQUEST_FAILED` with this code as its `remoteCode`. The text is for
 * our own side and never travels. Anything else that a handler throws travels as `INTERNAL`.
 */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly code: string;

  /**
   * @param code - 1 to 64 characters of A-Z, 0-9 and the underscore, such as `"NOT_FOUND"`. The SDK itself uses `BUSY`, `INTERNAL`
   *   and `UNHANDLED`
   * @param text - for our own logs. Default: the code
   * @throws NetworkError `ERR_OPTION_INVALID` when the code is not of this form
   */
  constructor(code: string, text?: string) {
    if (!isRefusalCode(code)) {
      throw new NetworkError("ERR_OPTION_INVALID", `a code is 1 to ${MAX_REFUSAL_CODE_LENGTH} characters of A-Z, 0-9 and _`);
    }
    super(text ?? code);
    this.code = code;
  }
}
