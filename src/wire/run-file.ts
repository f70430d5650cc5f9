/**
 * `run.json` in a data directory: how a command finds the node that runs there. Written by the node (0600), read by the
 * command line; without it nothing but the directory's own `control.sock` is tried.
 */
export interface RunFile {
  pid: number
  version: string
  httpUrl: string
  metricsUrl?: string
  /** The unix socket's real path: outside the data directory where that one's path is too long for a socket. */
  controlSocket: string
  peer: string
  addresses: string[]
  /** Unix ms. */
  started: number
}

export const RUN_FILE_NAME = 'run.json'
export const CONTROL_SOCKET_NAME = 'control.sock'
/** A run file is a few hundred bytes; hundreds of addresses still fit. */
export const MAX_RUN_FILE_BYTES = 64 * 1024

/** The document of a run file; undefined when the text is not one (a half-written or foreign file counts as none). */
export function parseRunFile(text: string): RunFile | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { pid, controlSocket } = value as Partial<Record<keyof RunFile, unknown>>
  return Number.isSafeInteger(pid) && (pid as number) > 0 && typeof controlSocket === 'string' ? (value as RunFile) : undefined
}
