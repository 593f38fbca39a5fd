// When a page takes leave.

import { expect, test } from "vitest";
import { watchUnload } from "../../src/browser/unload.js";

function pageHide(persisted: boolean): Event {
  return Object.assign(new Event("pagehide"), { persisted });
}

test("a page that is closed or left calls back, one that is put aside does not, and nobody is called after stopping", () => {
  const scope = new EventTarget();
  let calls = 0;
  const stop = watchUnload(() => calls++, scope);
  scope.dispatchEvent(pageHide(true));
  expect(calls).toBe(0);
  scope.dispatchEvent(pageHide(false));
  expect(calls).toBe(1);
  stop();
  scope.dispatchEvent(pageHide(false));
  expect(calls).toBe(1);
});
