// Whether a media query holds, as it changes.

import { useEffect, useState } from "preact/hooks";

/** @param query - a CSS media query, such as `(min-width: 54rem)` */
export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = (): void => setMatches(list.matches);
    changed();
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, [query]);
  return matches;
}
