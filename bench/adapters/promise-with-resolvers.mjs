// libp2p 3 calls Promise.withResolvers, which is there from Node 22 on; on Node 20 it gets this one. Has to be loaded before it.

// @ts-expect-error the types are those of Node 20
Promise.withResolvers ??= () => {
  /** @type {any} */
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};
