/**
 * Jobs that run as their owners (`--run-as owner`): what each of them runs with, as after a login of that user. Nothing of
 * the daemon's own environment but the mountpoint goes on to them.
 */
import type { User } from "../ffi/users.ts";
import type { Job } from "../store/job.ts";
import type { JobEnvironment } from "./command.ts";
import { SharedLimit } from "./shared_limit.ts";

export interface OwnersOptions {
  /** Null: there is no such user. */
  readonly userByUid: (uid: number) => Promise<User | null>;
  readonly runAsRoot: boolean;
  readonly mountpoint: string;
  readonly openFiles: JobEnvironment["openFiles"];
  /** The text of login.defs(5), or empty. */
  readonly loginDefs: string;
}

/** Where login.defs has none: those of Debian. */
const USUAL_PATH = "/usr/local/bin:/usr/bin:/bin";
const USUAL_ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** So many users are looked up at once: a server that does not answer keeps a thread of the runtime for each. */
const LOOKUPS_AT_ONCE = 4;

export class Owners {
  readonly #options: OwnersOptions;
  readonly #lookups = new SharedLimit<number, User | null>(LOOKUPS_AT_ONCE);
  readonly #path: string;
  readonly #rootPath: string;

  constructor(options: OwnersOptions) {
    this.#options = options;
    this.#path = loginPath(options.loginDefs, "ENV_PATH") ?? USUAL_PATH;
    this.#rootPath = loginPath(options.loginDefs, "ENV_SUPATH") ?? USUAL_ROOT_PATH;
  }

  /** Why a job is not run however often it is tried, or null. */
  refuse({ uid }: Job): string | null {
    if (uid !== 0 || this.#options.runAsRoot) return null;
    return "not run: the job belongs to root, and qj was started without --run-as-root";
  }

  /** What a job runs with. Rejects with the reason when its owner is nobody that the system knows. */
  async environment({ uid }: Job): Promise<JobEnvironment> {
    const user = await this.#lookups.run(uid, () => this.#options.userByUid(uid));
    if (user === null) throw new Error(`the job's owner, user ${uid}, has no entry in passwd`);
    const { name, gid, groups, home, shell } = user;
    return {
      cwd: home,
      openFiles: this.#options.openFiles,
      env: {
        HOME: home,
        USER: name,
        LOGNAME: name,
        SHELL: shell === "" ? "/bin/sh" : shell,
        PATH: uid === 0 ? this.#rootPath : this.#path,
        QJ_MOUNT: this.#options.mountpoint,
      },
      // By numbers: in a sandbox the files in which names are found cannot be read.
      setpriv: ["--reuid", String(uid), "--regid", String(gid), "--groups", groups.join(",")],
      user: { uid, gid },
    };
  }
}

/** The value of a line like `ENV_PATH PATH=/usr/bin:/bin`. */
function loginPath(loginDefs: string, key: string): string | undefined {
  return new RegExp(`^\\s*${key}\\s+(?:PATH=)?(\\S+)`, "m").exec(loginDefs)?.[1];
}
