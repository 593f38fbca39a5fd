// Sentences for people, from errors.

import { NetworkError } from "linknet";

/** An error as a sentence. Only the SDK's own words are shown: what anything else says was not written for people. */
export function sentence(error: unknown): string {
  if (!(error instanceof NetworkError)) return "Something went wrong in this page. Reload it and try again.";
  const text = error.message.trim();
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}
