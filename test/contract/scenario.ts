// One sentence of the contract, and how it is shown with any pair of builds.

import type { ContractContext } from "./context.js";

export interface Scenario {
  readonly title: string;
  /** `address`: only where Bob can be dialled by one. */
  readonly needs?: "address";
  /** What depends on the browser and its links: shown in every browser, and between two different ones. */
  readonly essential?: true;
  run(context: ContractContext): Promise<void>;
}
