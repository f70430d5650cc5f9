import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import type { NodeApi } from '../node/api.ts'
import type { ImportReport } from '../wire/import-report.ts'

/** The process as commands see it. */
export interface CliIo {
  stdin: Readable
  stdout: Writable
  stderr: Writable & { isTTY?: boolean; columns?: number }
  env: Record<string, string | undefined>
  cwd: string
  /** Where SIGTERM, SIGINT and SIGHUP arrive (`process`); without it `start` ends only by `skein stop`. */
  signals?: SignalSource
  /** @default the system's */
  clock?: Clock
}

export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void): unknown
  off(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void): unknown
}

/** What `skein start` was told on the command line; undefined members leave the choice to file, environment and defaults. */
export interface StartFlags {
  config?: string
  dataDir?: string
  /** Where the data is when neither flag, environment nor file says so: `./.skein` if it exists, else the user's state directory. */
  fallbackDataDir: string
  nodeId?: string
  region?: string
  hubTier?: string
  parent?: string
  federation?: string
  httpHost?: string
  httpPort?: number
  metricsPort?: number
  listen?: string[]
  announce?: string[]
  bootstrap?: string[]
  token?: string
  logLevel?: string
  logFormat?: string
}

export interface StartedNode {
  api: NodeApi
  /** Resolves when the node has stopped, whoever asked for it; rejects when it failed. */
  stopped: Promise<void>
}

export interface JoinSummary {
  /** The federation's name, as the token tells it. */
  federation: string
  /** Unix ms. */
  expires: number
}

/** What `skein import` was told; all paths may be relative to `cwd`. */
export interface ImportInput {
  env: Record<string, string | undefined>
  cwd: string
  file: string | undefined
  config: string | undefined
  from: string | undefined
  prefix: string | undefined
  disabled: boolean | undefined
  replace: boolean | undefined
  dryRun: boolean | undefined
}

export interface ConfigTools {
  load(input: { file?: string; env: Record<string, string | undefined>; cwd: string }): Promise<{ yaml: string; warnings: string[] }>
  jsonSchema(): Record<string, unknown>
  /** Rejects with SKEIN_USAGE or SKEIN_CONFIG. */
  importServers(input: ImportInput): Promise<ImportReport>
}

/** What the entry point gives to commands that are more than a question to a running node. Each loads its code when called. */
export interface CliActions {
  version: string
  /** Resolves when it is ready; rejects with SKEIN_CANCELLED when it was told to stop before, by `signal` or by `skein stop`. */
  startNode(flags: StartFlags, options: { signal: AbortSignal }): Promise<StartedNode>
  /** Checks the token and stores it for the next start. */
  joinFederation(dataDir: string, token: string): Promise<JoinSummary>
  configTools(): Promise<ConfigTools>
}

export interface CliContext {
  io: CliIo
  clock: Clock
  actions: CliActions
  /** Ends the command with this code although it did not throw. */
  exit(code: number): void
}
