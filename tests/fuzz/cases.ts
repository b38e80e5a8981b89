/**
 * Properties as tests: how many cases they get is in settings.ts; what a failure says is here. It names the seed and shows
 * the case that is left when it has been made as small as the time allows. A case is one run of a property, such as one
 * sequence of requests.
 */
import fc from "fast-check";
import { cases } from "./settings.ts";

/** How long a failure may be made smaller, in ms. */
const SHRINK_MS = 60_000;

export interface Fuzz<T> {
  /** Of all cases, 0 to 1. */
  readonly share: number;
  readonly arbitrary: fc.Arbitrary<T>;
  readonly body: (value: T) => void | Promise<void>;
  /** Around all cases: what they share. */
  readonly around?: (cases: () => Promise<void>) => Promise<void>;
  /** The case, for people. Called right after `body` has failed with it. */
  readonly show: (value: T) => string;
}

/** Registers a test that runs `body` with values drawn from `arbitrary`. */
export function fuzz<T>(name: string, { around = (cases) => cases(), ...fuzz }: Fuzz<T>): void {
  Deno.test(`fuzz: ${name}`, () => around(() => run(fuzz)));
}

async function run<T>({ share, arbitrary, body, show }: Fuzz<T>): Promise<void> {
  let shown = "";
  let failedAt = 0;
  const property = fc.asyncProperty(arbitrary, async (value) => {
    // What fails after the time for it is over is not made smaller any more.
    if (failedAt > 0 && performance.now() - failedAt > SHRINK_MS) return;
    try {
      await body(value);
    } catch (error) {
      failedAt ||= performance.now();
      shown = show(value);
      throw error;
    }
  });
  const { failed, seed, errorInstance } = await fc.check(property, cases(share));
  if (!failed) return;
  const { stack } = errorInstance as Error;
  throw new Error(`QJ_FUZZ_SEED=${seed} finds:\n${shown}\n\n${stack ?? errorInstance}`);
}
