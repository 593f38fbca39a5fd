// The conversation: header, banner, messages, composer, and who is here.

import type { JSX } from "preact";
import { useCallback, useState } from "preact/hooks";
import type { ChatClient } from "../state/chat-client.js";
import { bannerText, type ChatState, type FileEntry, sortedMembers, type TextEntry } from "../state/chat-state.js";
import { Composer } from "./composer.js";
import { Dialog } from "./dialog.js";
import { LeaveIcon, PeopleIcon, ShareIcon } from "./icons.js";
import { MemberList } from "./member-list.js";
import { MessageList } from "./message-list.js";
import { PeerDialog } from "./peer-dialog.js";
import { ShareDialog } from "./share-dialog.js";
import { useFileDrop } from "./use-file-drop.js";
import { useMedia } from "./use-media.js";

type Open = { readonly kind: "share" | "members" } | { readonly kind: "peer"; readonly id: string } | null;

/** The screen of a conversation, with its dialogs. */
export function ChatScreen({ client, state }: { client: ChatClient; state: ChatState }): JSX.Element {
  const [open, setOpen] = useState<Open>(null);
  const wide = useMedia("(min-width: 54rem)");
  const sendFiles = useCallback((files: readonly File[]) => client.sendFiles(files), [client]);
  const retry = useCallback((entry: TextEntry) => client.retry(entry), [client]);
  const cancel = useCallback((entry: FileEntry) => client.cancelFile(entry), [client]);
  const resume = useCallback((entry: FileEntry) => client.resumeFile(entry), [client]);
  const peer = open?.kind === "peer" ? open.id : null;
  const explain = useCallback(async () => (peer === null ? null : client.explain(peer)), [client, peer]);
  const dropping = useFileDrop(sendFiles);
  const close = (): void => setOpen(null);
  const members = sortedMembers(state);
  const here = members.filter((member) => member.status === "connected").length;
  const list = <MemberList self={state.self} members={members} onOpen={(id) => setOpen({ kind: "peer", id })} />;

  return (
    <div class="chat">
      <header class="room-head">
        <div class="room-title">
          <h1>
            <bdi>{state.room ?? "Direct chat"}</bdi>
          </h1>
          <p>{here === 0 ? "Nobody else is here yet" : here === 1 ? "You and one other" : `You and ${here} others`}</p>
        </div>
        <button type="button" class="head-button" data-testid="share" onClick={() => setOpen({ kind: "share" })}>
          <ShareIcon />
          <span>Invite</span>
        </button>
        {!wide && (
          <button type="button" class="head-button" data-testid="members-toggle" onClick={() => setOpen({ kind: "members" })}>
            <PeopleIcon />
            <span class="sr-only">Members, </span>
            <span>{here + 1}</span>
          </button>
        )}
        <button type="button" class="head-button quiet" data-testid="leave" onClick={() => void client.leave()}>
          <LeaveIcon />
          <span class="narrow-hidden">Leave</span>
        </button>
      </header>
      <Banner text={bannerText(state)} />
      <main class="talk">
        <MessageList
          entries={state.entries}
          alone={here === 0}
          onRetry={retry}
          onCancel={cancel}
          onResume={resume}
          onInvite={() => setOpen({ kind: "share" })}
        />
        <Composer onText={(text) => client.sendText(text)} onFiles={sendFiles} />
      </main>
      {wide && (
        <aside class="side" aria-label="Members">
          <h2>Who is here</h2>
          {list}
        </aside>
      )}
      {dropping && (
        <div class="drop-veil" aria-hidden="true">
          <p>Drop to send to everybody here</p>
        </div>
      )}
      {open?.kind === "share" && <ShareDialog room={client.roomLink()} ticket={client.ticketLink()} onClose={close} />}
      {open?.kind === "members" && !wide && (
        <Dialog title="Who is here" kind="drawer" onClose={close}>
          {list}
        </Dialog>
      )}
      {open?.kind === "peer" && (
        <PeerDialog
          self={state.self}
          member={state.members[open.id] ?? null}
          digits={client.fingerprint(open.id)}
          explain={explain}
          onClose={close}
        />
      )}
    </div>
  );
}

/** Spoken when it appears: the region around it stays. */
function Banner({ text }: { text: string | null }): JSX.Element {
  return (
    <div class="banner-region" role="status" aria-live="polite">
      {text !== null && (
        <p class="banner" data-testid="banner">
          <span class="spinner" aria-hidden="true" />
          <bdi>{text}</bdi>
        </p>
      )}
    </div>
  );
}
