/** How the model says that an operation fails. */

/** Any of these errors may come: what is wrong in two ways may be refused for either. */
export class Refusal {
  constructor(readonly errors: readonly string[]) {}
}

export function refuse(...errors: readonly string[]): never {
  throw new Refusal(errors);
}
