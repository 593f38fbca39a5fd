// Where the servers of the browser tests listen; all of them on 127.0.0.1 only.

export const PAGE_PORT = 18_080;
/** The relay as clients see it: through the recorder. */
export const RELAY_PORT = 18_787;
/** The relay itself. */
export const HIDDEN_RELAY_PORT = 18_788;
/** What the recorder tells to the tests. */
export const CONTROL_PORT = 18_789;

export const PAGE_URL = `http://localhost:${PAGE_PORT}`;
export const RELAY_URL = `ws://localhost:${RELAY_PORT}`;
export const CONTROL_URL = `http://127.0.0.1:${CONTROL_PORT}`;

/** The room of the Node peer that greets. */
export const GREETED_ROOM = "lobby";
