/** What ends the program with one line: what is wrong and what to do about it. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly status: number;

  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}

/** The reason that an error of the system gives, in the system's words and without Deno's additions. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\)/, "").replace(/^([A-Z])(?=[a-z])/, (c) => c.toLowerCase());
}
