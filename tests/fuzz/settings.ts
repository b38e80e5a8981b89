/**
 * How often the tests of this folder try: some hundred cases each, 2,000 in all. QJ_FUZZ_CASES=100000 is for a run by hand
 * (`deno task fuzz`), QJ_FUZZ_SEED repeats one.
 */
const CASES = Number(Deno.env.get("QJ_FUZZ_CASES") ?? 2000);
const SEED = Deno.env.get("QJ_FUZZ_SEED");

/** For fast-check: a share of all cases. */
export function cases(share: number): { readonly numRuns: number; readonly seed?: number } {
  return {
    numRuns: Math.max(1, Math.round(CASES * share)),
    ...(SEED !== undefined && { seed: Number(SEED) }),
  };
}
