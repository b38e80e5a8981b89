/** What the command line says, and the values that some options can have. */
import type { Address } from "../web/address.ts";
import type { SandboxOptions } from "../scheduler/sandbox_policy.ts";

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export const LOG_FORMATS = ["text", "json"] as const;

/** How the pages are served. */
export interface HttpOptions {
  /** Undefined: they are not. */
  readonly http?: Address | undefined;
  /** As given; undefined: beside the state file. */
  readonly httpTokenFile?: string | undefined;
  readonly httpReadOnly: boolean;
  /** An address that others than this machine can reach is meant. */
  readonly httpInsecureBind: boolean;
  /** Names that a reverse proxy gives as Host. */
  readonly httpHosts: readonly string[];
}

export interface Options extends SandboxOptions, HttpOptions {
  /** As given; undefined: the environment decides. */
  readonly stateFile?: string | undefined;
  /** How it was given: "--state-file", or in the words of mount(8). */
  readonly stateFileKnob?: string | undefined;
  readonly allowOther: boolean;
  /** Each job runs as the owner of its file. */
  readonly runAs?: "owner" | undefined;
  /** Root's own jobs are run too. */
  readonly runAsRoot: boolean;
  /** How long the end waits for running jobs before it stops them, in seconds. */
  readonly drainTimeoutSec: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly logFormat: (typeof LOG_FORMATS)[number];
  /** As given; undefined only with `check`. */
  readonly mountpoint?: string | undefined;
  /** What the mount is called in /proc/mounts, as given; undefined: nothing was. */
  readonly source?: string | undefined;
  /** A mount helper was asked for: to be started again in the background. */
  readonly background: boolean;
  readonly check: boolean;
  readonly tellReady: boolean;
}

/** Exit status for bad usage. */
export const USAGE = 2;
