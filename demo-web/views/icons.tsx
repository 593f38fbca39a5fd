// The page's few icons, drawn in place. They are decoration: the button around each one has the words.

import type { ComponentChildren, JSX } from "preact";

function Icon({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

/** A cross. */
export const CloseIcon = (): JSX.Element => (
  <Icon>
    <path d="M6 6l12 12M18 6 6 18" />
  </Icon>
);

/** A paper clip. */
export const AttachIcon = (): JSX.Element => (
  <Icon>
    <path d="M20 11.5 12.2 19.3a5 5 0 0 1-7.1-7.1l8.2-8.2a3.4 3.4 0 0 1 4.8 4.8l-8.2 8.2a1.7 1.7 0 0 1-2.4-2.4L15 7.2" />
  </Icon>
);

/** An arrow up. */
export const SendIcon = (): JSX.Element => (
  <Icon>
    <path d="M12 19V5M5.5 11.5 12 5l6.5 6.5" />
  </Icon>
);

/** Two links of a chain. */
export const ShareIcon = (): JSX.Element => (
  <Icon>
    <path d="M9.5 14.5a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L11.5 7.500M14.5 9.500a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.700l1.3-1.3" />
  </Icon>
);

/** Two people. */
export const PeopleIcon = (): JSX.Element => (
  <Icon>
    <circle cx="9" cy="8.5" r="3.5" />
    <path d="M2.5 19.500c.6-3.6 3.2-5.5 6.5-5.500s5.9 1.9 6.5 5.500M15.5 5.300a3.5 3.5 0 0 1 0 6.400M18 14.600c2 .8 3.2 2.5 3.6 4.9" />
  </Icon>
);

/** An arrow out of a door. */
export const LeaveIcon = (): JSX.Element => (
  <Icon>
    <path d="M14 4H6.500A1.5 1.5 0 0 0 5 5.500v13A1.5 1.5 0 0 0 6.5 20H14M10.5 12H20M16.5 8.5 20 12l-3.5 3.5" />
  </Icon>
);

/** A sheet of paper. */
export const FileIcon = (): JSX.Element => (
  <Icon>
    <path d="M13.5 3.500H7A1.5 1.5 0 0 0 5.5 5v14A1.5 1.5 0 0 0 7 20.500h10a1.5 1.5 0 0 0 1.5-1.500V8.500zM13.5 3.500v5h5" />
  </Icon>
);

/** A padlock. */
export const LockIcon = (): JSX.Element => (
  <Icon>
    <rect x="5" y="10.5" width="14" height="9.5" rx="2" />
    <path d="M8 10.500V8a4 4 0 0 1 8 0v2.5" />
  </Icon>
);

/** Three peers, and the one path between two of them that is in use. */
export const BrandMark = (): JSX.Element => (
  <svg class="brand-mark" viewBox="4 4 24 24" width="44" height="44" aria-hidden="true" focusable="false">
    <path class="brand-relay" d="M9 22 16 9l7 13" />
    <path class="brand-direct" d="M9 22h14" />
    <circle cx="16" cy="9" r="3.4" />
    <circle cx="9" cy="22" r="3.4" />
    <circle cx="23" cy="22" r="3.4" />
  </svg>
);
