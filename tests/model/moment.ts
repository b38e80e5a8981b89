/** When something happened, as far as it is known, in nanoseconds since the epoch. */

/** Both ends included. Narrowed to what a stat has shown, which must stay. */
export interface Moment {
  from: bigint;
  to: bigint;
}

/** The time that an operation took, by the same clock that the daemon reads. */
export class Span {
  readonly from: bigint;
  readonly to: bigint;

  constructor(fromMs: number, toMs: number) {
    this.from = BigInt(fromMs) * 1_000_000n;
    this.to = BigInt(toMs) * 1_000_000n + 999_999n;
  }

  moment(): Moment {
    return { from: this.from, to: this.to };
  }
}
