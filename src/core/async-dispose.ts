// `await using`, where the runtime knows it.

/** Makes `await using net = …` stop it. Where the symbol is missing, a method under it would be called "undefined". */
export function addAsyncDispose(manager: { stop(): Promise<void> }): void {
  if (typeof Symbol.asyncDispose !== "symbol") return;
  Object.defineProperty(manager, Symbol.asyncDispose, { value: () => manager.stop(), enumerable: false });
}
