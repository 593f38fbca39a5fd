// The links of one session: which carries the data, which stand down, and what happens when one ends.

import type { NetworkError } from "../errors.js";
import type { Millis } from "../runtime.js";
import { compareLinks, type LinkStage, type SessionLink } from "./session-link.js";

/** Most links at once: the path, the one that takes over, and one that each side dialled at the same moment. */
const MAX_LINKS = 4;
/** How long a path may take to answer when the other side has opened a worse one beside it. */
const PROBE_MS: Millis = 2_500;

export interface LinkSetHandlers {
  /** This link carries the data from now on. */
  activated(link: SessionLink): void;
  /** The last link that could carry data is gone. */
  linkless(error: NetworkError | null): void;
}

export class LinkSet {
  readonly #weAreSmaller: boolean;
  readonly #handlers: LinkSetHandlers;
  #links: readonly SessionLink[] = [];
  #active: SessionLink | null = null;

  /** @param weAreSmaller - whether our PeerId comes before the other side's: it settles which of two equal links stays */
  constructor(weAreSmaller: boolean, handlers: LinkSetHandlers) {
    this.#weAreSmaller = weAreSmaller;
    this.#handlers = handlers;
  }

  get active(): SessionLink | null {
    return this.#active;
  }

  get all(): readonly SessionLink[] {
    return this.#links;
  }

  add(link: SessionLink): void {
    this.#links = this.#links.concat(link);
    if (this.#links.length <= MAX_LINKS) return;
    const worst = this.#links.filter((other) => other !== this.#active && other !== link).sort((a, b) => this.#compare(b, a))[0];
    if (worst) this.drop(worst, null);
  }

  /** Both sides have greeted on this link: it carries the data, or stands down behind a better one. */
  opened(link: SessionLink): void {
    // Make before break: a path that works is left when the new one has been seen to work in both directions.
    link.ping(() => this.#settle(link));
    if (!this.#active) this.#take(link);
  }

  /** Each link answers soon, or is dead: one that stands by must not take over from another that died with it. */
  probe(): void {
    for (const link of this.#links) link.probe(PROBE_MS, () => undefined);
  }

  /** The other side sends nothing more on this link. */
  remoteRetired(link: SessionLink): void {
    link.remoteRetired = true;
    if (link === this.#active && !this.#weAreSmaller) {
      // Clocks and arrivals differ, so both sides may have chosen differently: then the choice of the smaller PeerId counts.
      const theirs = this.#links.find((other) => other.stage !== "greeting" && !other.remoteRetired);
      if (theirs) this.#take(theirs);
    }
    this.#closeIfRetired(link);
  }

  /** A link is over. */
  drop(link: SessionLink, error: NetworkError | null): void {
    if (!this.#links.includes(link)) return;
    this.#links = this.#links.filter((other) => other !== link);
    link.stop();
    link.channel.close();
    if (link === this.#active) {
      this.#active = null;
      const next = this.#next();
      if (!next) {
        this.#handlers.linkless(error);
        return;
      }
      this.#take(next);
      // What was silent may have been all of the network.
      if (error?.code === "ERR_CLOSED_TIMEOUT") this.probe();
    } else if (this.#links.length === 0) {
      this.#handlers.linkless(error);
    }
  }

  /** Ends all links but this one, without a word to the session. */
  clear(except?: SessionLink): void {
    const links = this.#links.filter((link) => link !== except);
    this.#links = except ? [except] : [];
    if (this.#active !== except) this.#active = null;
    for (const link of links) {
      link.stop();
      link.channel.close();
    }
  }

  #settle(link: SessionLink): void {
    const current = this.#active;
    if (current === link || link.stage !== "open" || !this.#links.includes(link)) return;
    if (current && this.#compare(current, link) < 0) {
      // The other side may have opened a worse link because ours is dead on its side: ask before this one is turned down.
      current.probe(PROBE_MS, () => {
        if (this.#active === current && link.stage === "open") this.#retire(link);
      });
    } else {
      this.#take(link);
    }
  }

  #take(link: SessionLink): void {
    link.stage = "open";
    this.#active = link;
    this.#handlers.activated(link);
    for (const other of this.#links) if (other !== link && other.stage === "open") this.#retire(other);
  }

  // A link that we stood down from is better than none, as long as the other side has not left it as well.
  #next(): SessionLink | undefined {
    const best = (stage: LinkStage): SessionLink | undefined =>
      this.#links.filter((link) => link.stage === stage && !link.remoteRetired).sort((a, b) => this.#compare(a, b))[0];
    return best("open") ?? best("retiring");
  }

  #retire(link: SessionLink): void {
    link.retire();
    this.#closeIfRetired(link);
  }

  #closeIfRetired(link: SessionLink): void {
    // The side that dialled closes, so that the last "retire" is not cut off.
    if (link.stage === "retiring" && link.remoteRetired && link.channel.initiator) this.drop(link, null);
  }

  #compare(a: SessionLink, b: SessionLink): number {
    return compareLinks(a, b, (link) => link.channel.initiator === this.#weAreSmaller);
  }
}
