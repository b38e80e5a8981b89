/**
 * The settings, a field for each. What is sent is what differs from what was shown, so that two people who change different
 * settings do not undo each other's; it is checked as config.json is, and what is refused stays in its field.
 */
import type { Child } from "hono/jsx";
import { checkSettings, DEFAULT_SETTINGS, type Settings } from "../store/settings.ts";
import { parseSettingsText } from "../store/settings_text.ts";
import type { Result } from "./commands.ts";
import { FormFields, Layout } from "./parts.tsx";
import type { Site } from "./site.ts";

type Key = keyof Settings;
/** How a value is written in a field. */
type Kind = "number" | "number or nothing" | "text" | "yes or no" | "JSON";

interface Field {
  readonly kind: Kind;
  readonly hint: string;
}

/** In the order of qj.5. */
export const FIELDS: Readonly<Record<Key, Field>> = {
  max_job_count: { kind: "number", hint: "Jobs that run at once. 0: none" },
  max_attempts: { kind: "number", hint: "Attempts before a job goes to failed" },
  timeout_sec: { kind: "number", hint: "Seconds that an attempt may run. 0: for ever" },
  paused: { kind: "yes or no", hint: "Start nothing more" },
  queues: {
    kind: "JSON",
    hint: 'Limits of named queues, as in {"video": {"max_job_count": 1}}',
  },
  backoff_base: {
    kind: "number",
    hint: "Seconds: the wait after attempt n is backoff_base × backoff_mult^n",
  },
  backoff_mult: { kind: "number", hint: "By what it grows" },
  backoff_max_sec: { kind: "number", hint: "Seconds: no wait is longer" },
  backoff_jitter: {
    kind: "number",
    hint: "From 0 to 1: the share of the wait that is up to chance",
  },
  max_lost: { kind: "number", hint: "Lost attempts in a row before a job goes to failed" },
  kill_grace_sec: { kind: "number", hint: "Seconds between SIGTERM and SIGKILL" },
  max_output_bytes: { kind: "number", hint: "Bytes of output that are kept of an attempt" },
  max_script_bytes: { kind: "number", hint: "Bytes that a script may have" },
  retain_complete_sec: {
    kind: "number or nothing",
    hint: "Seconds after which complete jobs are deleted. Empty: never",
  },
  retain_failed_sec: {
    kind: "number or nothing",
    hint: "Seconds after which failed jobs are deleted. Empty: never",
  },
  replace_finished: { kind: "yes or no", hint: "A new job may take the name of a finished one" },
  wrapper: { kind: "JSON", hint: 'A program that runs all jobs, as in ["nice", "-n", "10"]' },
  settle_ms: { kind: "number", hint: "Milliseconds that a file rests before it runs" },
  on_complete: { kind: "text", hint: "A command for each job that has completed. Empty: none" },
  on_failed: { kind: "text", hint: "A command for each job that has failed. Empty: none" },
};
const KEYS = Object.keys(FIELDS) as Key[];

/** A setting as its field shows it. */
export function fieldText(kind: Kind, value: unknown): string {
  if (value === null) return "";
  return kind === "JSON" ? JSON.stringify(value) : String(value);
}

// Digits in one place only: digits that two parts can share make the search take the square of their number.
const NUMBER = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/i;

/** Undefined: it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value that a field means; what cannot be read is left as text, for the check to say so. */
function valueOf(kind: Kind, text: string): unknown {
  const trimmed = text.trim();
  if (kind === "yes or no") return trimmed === "true";
  if (kind === "text") return trimmed === "" ? null : text;
  if (kind === "number or nothing" && trimmed === "") return null;
  if (kind === "JSON") return parsed(trimmed) ?? text;
  const number = NUMBER.test(trimmed) ? Number(trimmed) : NaN;
  return Number.isFinite(number) ? number : text;
}

/** What a form sends has the line ends of the network. */
function lines(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

/** What a form asks to change: the fields that differ from what they were when it was shown. */
export function changeOf(form: ReadonlyMap<string, string>): Record<string, unknown> {
  const change: Record<string, unknown> = {};
  for (const key of KEYS) {
    const was = form.get(`was_${key}`);
    if (was === undefined) continue;
    const { kind } = FIELDS[key];
    const is = lines(form.get(key) ?? (kind === "yes or no" ? "false" : was));
    if (is !== lines(was)) change[key] = valueOf(kind, is);
  }
  return change;
}

/** The same, checked as config.json is. Throws InvalidSettings. */
export function checkedChange(form: ReadonlyMap<string, string>): Partial<Settings> {
  const change = changeOf(form);
  const texts = (Object.keys(change) as Key[]).flatMap((key) =>
    FIELDS[key].kind === "JSON" ? [[key, form.get(key) ?? ""] as const] : []
  );
  // As the text of config.json, which tells where it is wrong, and what is given twice.
  const check = ([key, text]: readonly [Key, string]) =>
    void parseSettingsText(new TextEncoder().encode(`{${JSON.stringify(key)}: ${text}}`));
  texts.filter(([, text]) => parsed(text) === undefined).forEach(check);
  const checked = checkSettings(change);
  texts.forEach(check);
  return checked;
}

export interface SettingsPageProps {
  readonly site: Site;
  readonly said: readonly Result[];
  /** What was typed, when it was refused. */
  readonly typed?: ReadonlyMap<string, string>;
  readonly error?: string;
}

export function SettingsPage({ site, said, typed, error }: SettingsPageProps) {
  const current = site.store.settings.current;
  const given = typed && new Map([...typed].map(([key, text]) => [key, lines(text)]));
  return (
    <Layout site={site} title="Settings" at="settings" said={said}>
      <h1>Settings</h1>
      <p>
        The same as in <code>config.json</code>. A change is in force at once.
      </p>
      {error !== undefined && <p class="refused" role="alert" id="error">{error}</p>}
      <Frame site={site}>
        {KEYS.map((key) => {
          const { kind, hint } = FIELDS[key];
          const shown = fieldText(kind, current[key]);
          const was = given?.get(`was_${key}`) ?? shown;
          const text = given === undefined
            ? shown
            : given.get(key) ?? (kind === "yes or no" ? "false" : was);
          const usual = fieldText(kind, DEFAULT_SETTINGS[key]);
          return (
            <div class="field">
              <input type="hidden" name={`was_${key}`} value={was} />
              <label for={key}>{key}</label>
              <Input id={key} kind={kind} text={text} isFixed={site.isReadOnly} />
              <p class="hint" id={`${key}-hint`}>
                {hint}
                {usual !== "" && shown !== usual && `. Usually ${usual}`}
              </p>
            </div>
          );
        })}
        {!site.isReadOnly && (
          <p>
            <button type="submit" class="main">Save</button>
          </p>
        )}
      </Frame>
    </Layout>
  );
}

/** A form, if something can be changed. */
function Frame({ site, children }: { site: Site; children?: Child }) {
  const look = "fields settings";
  if (site.isReadOnly) return <div class={look}>{children}</div>;
  return (
    <form method="post" action="/settings" class={look}>
      <FormFields site={site} back="/settings" />
      {children}
    </form>
  );
}

interface InputProps {
  readonly id: string;
  readonly kind: Kind;
  readonly text: string;
  readonly isFixed: boolean;
}

function Input({ id, kind, text, isFixed }: InputProps) {
  const common = {
    id,
    name: id,
    "aria-describedby": `${id}-hint`,
    ...(isFixed && { disabled: true }),
  };
  if (kind === "yes or no") {
    return <input type="checkbox" value="true" checked={text === "true"} {...common} />;
  }
  if (kind === "JSON" || kind === "text") {
    return (
      <textarea rows={text.length > 60 ? 4 : 1} spellcheck={false} {...common}>
        {`\n${text}`}
      </textarea>
    );
  }
  return <input type="text" inputmode="decimal" autocomplete="off" value={text} {...common} />;
}
