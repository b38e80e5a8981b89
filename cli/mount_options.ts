/** The options of mount(8): what stands after `-o`, on a command line or in a line of fstab. */
import { isHostName, parseAddress } from "../web/address.ts";
import { Failure } from "./failure.ts";
import { LOG_FORMATS, LOG_LEVELS, type Options, USAGE } from "./option_values.ts";

/** What mount(8) and systemd tell everybody, and what holds in any case. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(
  ("rw,dev,nodev,suid,nosuid,exec,auto,noauto,user,nouser,users,owner,group,nofail,_netdev,defaults," +
    "async,atime,noatime,relatime,norelatime,strictatime,diratime,nodiratime").split(","),
);
const MAX_DRAIN_SEC = 31_536_000;

type Change = Partial<{ -readonly [K in keyof Options]: Options[K] }>;

/** Options with a value. Each throws the reason why the value cannot be. */
const WITH_VALUE: Readonly<Record<string, (value: string) => Change>> = {
  state_file: (stateFile) => {
    if (stateFile === "") throw new RangeError("a path is missing");
    return { stateFile, stateFileKnob: "-o state_file" };
  },
  http: (address) => ({ http: parseAddress(address) }),
  http_token_file: (httpTokenFile) => {
    if (httpTokenFile === "") throw new RangeError("a path is missing");
    return { httpTokenFile };
  },
  http_host: (host) => {
    if (!isHostName(host)) throw new RangeError("it is a name as in qj.example.org");
    return { httpHosts: [host] };
  },
  run_as: (who) => {
    if (who !== "owner") throw new RangeError("the only value is owner");
    return { runAs: who };
  },
  log_level: (value) => ({ logLevel: oneOf(LOG_LEVELS, value) }),
  log_format: (value) => ({ logFormat: oneOf(LOG_FORMATS, value) }),
  drain_timeout: (value) => {
    const drainTimeoutSec = Number(value);
    if (value.trim() === "" || !(drainTimeoutSec >= 0 && drainTimeoutSec <= MAX_DRAIN_SEC)) {
      throw new RangeError(`it is a number of seconds, at most ${MAX_DRAIN_SEC}`);
    }
    return { drainTimeoutSec };
  },
};

const FLAGS: Readonly<Record<string, Change>> = {
  allow_other: { allowOther: true },
  run_as_root: { runAsRoot: true },
  http_readonly: { httpReadOnly: true },
  http_insecure_bind: { httpInsecureBind: true },
};

function oneOf<const T extends readonly string[]>(values: T, value: string): T[number] {
  if (!values.includes(value)) throw new RangeError(`it is one of ${values.join(", ")}`);
  return value;
}

/** Splits at commas. `\\,` is a comma and `\\\\` a backslash in a value, as in the options of libfuse. */
function split(text: string): string[] {
  const parts = text.match(/(?:[^,\\]|\\.?)+/gs) ?? [];
  return parts.map((part) => part.replace(/\\(.)/gs, "$1"));
}

/** What the options say, as far as they say something. Throws {@linkcode Failure} for what is not known or cannot be. */
export function parseMountOptions(text: string): Change {
  let change: Change = {};
  for (const option of split(text)) {
    if (WITHOUT_EFFECT.has(option) || /^(x-|X-|comment=)/.test(option)) continue;
    if (option === "ro") {
      throw new Failure("-o ro: a queue is written to, so it cannot be mounted read-only", USAGE);
    }
    const cut = option.indexOf("=");
    const name = cut < 0 ? option : option.slice(0, cut);
    const flag = Object.hasOwn(FLAGS, option) ? FLAGS[option] : undefined;
    const parse = Object.hasOwn(WITH_VALUE, name) ? WITH_VALUE[name] : undefined;
    if (flag !== undefined) {
      change = { ...change, ...flag };
    } else if (parse !== undefined) {
      try {
        const more = parse(cut < 0 ? "" : option.slice(cut + 1));
        // The only one of which there may be several.
        const httpHosts = [...change.httpHosts ?? [], ...more.httpHosts ?? []];
        change = { ...change, ...more, ...httpHosts.length > 0 && { httpHosts } };
      } catch (error) {
        const { message } = error as RangeError;
        throw new Failure(`-o ${JSON.stringify(option)}: ${message}`, USAGE);
      }
    } else {
      throw new Failure(
        `-o ${JSON.stringify(option)}: there is no such option, see MOUNTING FROM FSTAB in qj(1)`,
        USAGE,
      );
    }
  }
  return change;
}
