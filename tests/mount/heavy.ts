/** Tests that take their time and do not depend on the version of libfuse: QJ_SKIP_HEAVY=1 leaves them out. */
export const skipsHeavy = Deno.env.get("QJ_SKIP_HEAVY") === "1";

export function heavyTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: skipsHeavy, fn });
}
