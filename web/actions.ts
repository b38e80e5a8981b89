/** What forms with buttons ask for: commands on chosen jobs, and a pause. */
import { StoreError } from "../store/errors.ts";
import { InvalidSettings } from "../store/settings.ts";
import { JOB_COMMANDS, type JobCommand, Refused, type Result } from "./commands.ts";
import { backOf, type Form, textOf } from "./forms.ts";
import type { Outcome } from "./said.ts";
import type { Site } from "./site.ts";

/** Jobs that one form can mean. */
const MAX_CHOSEN = 1000;
/** Commands in one turn of the loop: each is a commit, and requests of the kernel come in between. */
const DONE_AT_ONCE = 10;

/** Whether a form has a command that is known: "" is one that does nothing. */
export function isAction(form: Form): boolean {
  const command = textOf(form, "command") ?? "none";
  return command === "" || command === "pause" || command === "resume" || isJobCommand(command);
}

function isJobCommand(command: string): command is JobCommand {
  return (JOB_COMMANDS as readonly string[]).includes(command);
}

/** Does what a form asks for. */
export async function act(site: Site, form: Form): Promise<Outcome> {
  const command = textOf(form, "command") ?? "";
  const path = backOf(form);
  if (command === "") return { results: [], path };
  if (!isJobCommand(command)) return { results: [pause(site, command === "pause")], path };
  const chosen = form.getAll("job").slice(0, MAX_CHOSEN);
  if (chosen.length === 0) return { results: [{ isDone: false, text: "No job was chosen" }], path };
  const value = textOf(form, "value") ?? "";
  const results: Result[] = [];
  for (const job of chosen) {
    results.push(attempt(() => site.commands.run(command, job, value)));
    if (results.length % DONE_AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const isGone = command === "delete" && /^\/jobs\/\d+$/.test(path) && results[0]!.isDone;
  return { results, path: isGone ? "/" : path };
}

function pause(site: Site, paused: boolean): Result {
  return attempt(() => {
    const keys = site.commands.configure({ paused });
    if (keys.length === 0) {
      return { isDone: true, text: `The queue is ${paused ? "paused" : "running"} already` };
    }
    const now = paused ? "paused: nothing more is started" : "running";
    return { isDone: true, text: `The queue is ${now}` };
  });
}

/** What the state file says is a result too: the others may work. */
function attempt(step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    return { isDone: false, text: refusalOf(error) };
  }
}

/** What was wrong, for who has sent the form. Throws what nobody has foreseen. */
export function refusalOf(error: unknown): string {
  if (error instanceof Refused || error instanceof InvalidSettings) return error.message;
  if (error instanceof StoreError) return `The state file cannot be changed: ${error.message}`;
  throw error;
}
