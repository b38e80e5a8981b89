/** One command of a random run: what it does, then the comparison of everything with the model. */
import type fc from "fast-check";
import type { Descriptor, Model } from "./model.ts";
import type { World } from "./world.ts";

export class Step implements fc.AsyncCommand<Model, World> {
  /** Steps that were run, of all runs. */
  static count = 0;
  readonly #text: string;
  readonly #act: (world: World) => Promise<void>;
  readonly #isPossible: (model: Model) => boolean;

  constructor(
    text: string,
    act: (world: World) => Promise<void>,
    isPossible: (model: Model) => boolean = () => true,
  ) {
    this.#text = text;
    this.#act = act;
    this.#isPossible = isPossible;
  }

  check(model: Model): boolean {
    return this.#isPossible(model);
  }

  async run(_model: Model, world: World): Promise<void> {
    Step.count++;
    await world.explained(async () => {
      await this.#act(world);
      await world.compare();
    });
  }

  toString(): string {
    return this.#text;
  }
}

/** A step on one of the descriptors that are open then, chosen by a number. */
export function onDescriptor(
  text: string,
  choice: number,
  act: (world: World, descriptor: Descriptor) => Promise<void>,
): Step {
  return new Step(
    `${text} #${choice}`,
    (world) => {
      const { descriptors } = world.model;
      return act(world, descriptors[choice % descriptors.length]!);
    },
    ({ descriptors }) => descriptors.length > 0,
  );
}
