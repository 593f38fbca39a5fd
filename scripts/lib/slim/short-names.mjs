// Properties that the browser build gives shorter names, as minifiers do only for variables.

import { ownNames } from "./own-names.mjs";

/** What noble alone has, nobody else and no browser. */
export const NAMES_OF_NOBLE = [
  ..."blockLen outputLen padOffset roundClean digestInto oHash iHash nonceLength withAAD".split(" "),
  ..."varSizeNonce windowSize authKey tagMask counterLength allowShortKeys extendNonceFn counterRight sbox2".split(" "),
  ..."ORDER BITS BYTES isValidNot0 isOdd isValid addN subN mulN toBytes fromBytes fromAffine toAffine is0 eql".split(" "),
  ..."wnafPrecomputes baseCanBeBlinded buildWnafTable wnafCachedCT getWnafPrecomputes assertPoint validateMulInput".split(" "),
  ..."runCT fixedWindowCT mulCT mulCTBlinded shouldBlind mulUnsafe mulSecret setWindowSize uvRatio".split(" "),
  ..."multiplyUnsafe isSmallOrder clearCofactor precompute subtract adjustScalarBytes toMontgomery".split(" "),
  ..."toMontgomerySecret pointBytes powPminus2 scalarMultBase scalarMult GuBytes pow_p_5_8".split(" "),
];

/**
 * Those of noble and of our own classes, and what begins with an underscore, as simple-peer's fields do.
 * @returns {import("esbuild").Plugin}
 */
export function shortNames() {
  return {
    name: "short-names",
    setup(build) {
      const names = [...NAMES_OF_NOBLE, ...ownNames()].join("|");
      build.initialOptions.mangleProps = new RegExp(`^(?:_[a-z]\\w*|${names})$`);
    },
  };
}
