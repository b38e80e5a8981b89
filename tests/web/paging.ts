/** How long pages take, and what is on them from the first to the last one. */
import { Qj } from "../mount/qj.ts";

const ROUNDS = 11;

/** Somebody who has signed in. */
export class Visitor {
  readonly #origin: string;
  readonly #cookie: string;

  private constructor(origin: string, cookie: string) {
    this.#origin = origin;
    this.#cookie = cookie;
  }

  /** By the link in the log of a daemon that was started with `--http`. */
  static async of(qj: Qj): Promise<Visitor> {
    const [, link] = /pages: (http\S+)/.exec(await qj.logged(/pages: http/))!;
    const answer = await fetch(link!);
    await answer.text();
    const [cookie] = answer.headers.get("set-cookie")!.split(";");
    return new Visitor(new URL(link!).origin, cookie!);
  }

  async page(path: string): Promise<string> {
    const answer = await fetch(this.#origin + path, { headers: { cookie: this.#cookie } });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
    return text;
  }

  async ms(path: string): Promise<number> {
    const from = performance.now();
    await this.page(path);
    return performance.now() - from;
  }
}

/** The median time of a page of each of them, in ms, asked in turns, so that a noisy machine is noisy to both. */
export async function medians(visitors: readonly Visitor[], path: string): Promise<number[]> {
  const times = visitors.map(() => [] as number[]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, visitor] of visitors.entries()) times[i]!.push(await visitor.ms(path));
  }
  return times.map((all) => all.sort((a, b) => a - b)[(ROUNDS - 1) / 2]!);
}

/** The names of the jobs on a page of a list, and where the next one is. */
export function listed(html: string): { readonly names: string[]; readonly next: string | null } {
  const names = [...html.matchAll(/<a class="name"[^>]*>([^<]*)<\/a>/g)].map(([, name]) => name!);
  const next = /<a rel="next" href="([^"]*)"/.exec(html)?.[1]?.replaceAll("&amp;", "&") ?? null;
  return { names, next };
}
