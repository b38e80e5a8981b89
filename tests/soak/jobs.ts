/**
 * The jobs of a soak: each leaves traces of its runs in the daemon's working directory, from which the end can tell whether
 * it ran, ran whole, and ran alone.
 *
 * ran, ended: a line for each time. overlaps: somebody else held the job's lock, which all its processes inherit.
 * partial.NAME: there from its first line to its last, so what remains of it was cut off and never run again.
 */
import type { Random } from "./random.ts";

export const KINDS = [
  "plain",
  "fails first",
  "children",
  "long",
  "output",
  "queue",
  "priority",
  "after",
  "once",
] as const;

export type Kind = (typeof KINDS)[number];

export interface SoakJob {
  readonly name: string;
  readonly kind: Kind;
  readonly script: string;
}

const HEAD = `: > partial.$QJ_JOB
exec 9> lock.$QJ_JOB; flock -n 9 || echo $QJ_JOB >> overlaps
echo $QJ_JOB >> ran
`;
const TAIL = `echo $QJ_JOB >> ended
rm -f partial.$QJ_JOB
`;

const BODIES: Readonly<Partial<Record<Kind, string>>> = {
  "fails first": "[ -e failed.$QJ_JOB ] || { : > failed.$QJ_JOB; exit 1; }\n",
  // One in the group, one in a session of its own, one that does not mind SIGTERM.
  children:
    "sleep 1000 & setsid sleep 1000 & sh -c 'trap \"\" TERM; sleep 1000; :' &\nsleep 0.05\n",
  long: "sleep 0.3\n",
  output: "head -c 3000000 /dev/zero | tr '\\0' x; echo\n",
};

/** A job of some kind. `others`: names that are known to be in the queue. */
export function makeJob(name: string, random: Random, others: readonly string[]): SoakJob {
  let kind: Kind = random.pick(KINDS);
  if (kind === "after" && others.length === 0) kind = "plain";
  return makeJobOf(kind, name, random, others);
}

export function makeJobOf(
  kind: Kind,
  name: string,
  random: Random,
  others: readonly string[] = [],
): SoakJob {
  const options: Partial<Record<Kind, () => string>> = {
    queue: () => "queue=one",
    priority: () => `priority=${Math.floor(random.next() * 20) - 10}`,
    after: () => `after=${random.pick(others)}`,
    once: () => "on-lost=fail",
  };
  const option = options[kind]?.();
  const lines = option === undefined ? "" : `#QJ ${option}\n`;
  return { name, kind, script: `${lines}${HEAD}${BODIES[kind] ?? ""}${TAIL}` };
}
