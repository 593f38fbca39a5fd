// The constants of SHA-256 and SHA-512 by their rule (FIPS 180-4 §4.2, §5.3): the first bits behind the point of the roots of the first
// primes. The build puts them in the place of noble's tables, which are a kilobyte of digits in every page.

/** SHA-512 has the most rounds. */
const ROUNDS = 80;
/** Words of a hash's state. */
const WORDS = 8;
/** Above the root of each of these primes, with 64 bits behind the point. */
const ABOVE = 1n << 69n;

/** The first 64 bits behind the point of the root of that degree. */
function fraction(prime: number, degree: bigint): bigint {
  const power = BigInt(prime) << (64n * degree);
  // Newton's method in whole numbers: from above it falls until it is there.
  for (let root = ABOVE; ; ) {
    const next = ((degree - 1n) * root + power / root ** (degree - 1n)) / degree;
    if (next >= root) return BigInt.asUintN(64, root);
    root = next;
  }
}

/** Those of the first primes, as many as asked for. */
function fractions(count: number, degree: bigint): bigint[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes.map((prime) => fraction(prime, degree));
}

const high = (bits: bigint): number => Number(bits >> 32n);
const low = (bits: bigint): number => Number(bits & 0xffff_ffffn);

const starts: readonly bigint[] = /* @__PURE__ */ fractions(WORDS, 2n);

/** Each round's constant of SHA-512. */
export const SHA512_ROUNDS: readonly bigint[] = /* @__PURE__ */ fractions(ROUNDS, 3n);
/** Each round's constant of SHA-256: the upper halves of the first 64. */
export const SHA256_ROUNDS: Uint32Array = /* @__PURE__ */ Uint32Array.from(SHA512_ROUNDS.slice(0, 64), high);
/** Where SHA-512 starts: upper and lower halves by turns. */
export const SHA512_START: Uint32Array = /* @__PURE__ */ Uint32Array.from(starts.flatMap((bits) => [high(bits), low(bits)]));
/** Where SHA-256 starts. */
export const SHA256_START: Uint32Array = /* @__PURE__ */ Uint32Array.from(starts, high);
