// What a call is refused with, for tests that look at codes.

import { expect } from "vitest";
import { NetworkError } from "../../src/core/errors.js";

/** The `NetworkError` that `call` throws; fails the test when it throws none or something else. */
export function refusal(call: () => unknown): NetworkError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(NetworkError);
    return error as NetworkError;
  }
  return expect.unreachable("nothing was thrown");
}
