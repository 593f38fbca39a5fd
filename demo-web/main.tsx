// Starts the chat page: finds its relay, makes the client and shows it.

import { render } from "preact";
import { ChatClient } from "./state/chat-client.js";
import { defaultRelay } from "./state/invitation.js";
import { App } from "./views/app.js";

const meta = document.querySelector<HTMLMetaElement>('meta[name="linknet-relay"]');
const client = new ChatClient(defaultRelay(meta?.content ?? null, location));
const root = document.getElementById("app");
if (root) render(<App client={client} />, root);

// The others learn at once that this tab is gone. A page that only rests in the back/forward cache must not keep sockets either.
window.addEventListener("pagehide", () => void client.leave());
// A file that is dropped beside the chat would replace the page.
for (const name of ["dragover", "drop"] as const) window.addEventListener(name, (event) => event.preventDefault());
