import type { ErrorCode } from '../base/error-codes.ts'

export const EXIT_OK = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2
export const EXIT_NOT_RUNNING = 3
export const EXIT_REFUSED = 4
export const EXIT_CONFIG = 5

/** For --help and docs/cli.md. */
export const EXIT_CODES: readonly [code: number, meaning: string][] = [
  [EXIT_OK, 'done'],
  [EXIT_FAILED, 'the operation failed'],
  [EXIT_USAGE, 'the command line is wrong'],
  [EXIT_NOT_RUNNING, 'no node is running in the data directory'],
  [EXIT_REFUSED, 'refused: token, credential or admission'],
  [EXIT_CONFIG, 'the configuration, a key file, the data directory or a port cannot be used']
]

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  SKEIN_USAGE: EXIT_USAGE,
  SKEIN_NOT_RUNNING: EXIT_NOT_RUNNING,
  SKEIN_NOT_ADMITTED: EXIT_REFUSED,
  SKEIN_TOKEN_INVALID: EXIT_REFUSED,
  SKEIN_TOKEN_EXPIRED: EXIT_REFUSED,
  SKEIN_TOKEN_FOREIGN: EXIT_REFUSED,
  SKEIN_TOKEN_USED: EXIT_REFUSED,
  SKEIN_ISSUER_UNREACHABLE: EXIT_REFUSED,
  SKEIN_CREDENTIAL_INVALID: EXIT_REFUSED,
  SKEIN_CREDENTIAL_EXPIRED: EXIT_REFUSED,
  SKEIN_BANNED: EXIT_REFUSED,
  SKEIN_ALREADY_JOINED: EXIT_REFUSED,
  SKEIN_CONFIG: EXIT_CONFIG,
  SKEIN_PORT_IN_USE: EXIT_CONFIG,
  SKEIN_KEY_FILE: EXIT_CONFIG,
  SKEIN_DATA_DIR: EXIT_CONFIG
}

export function exitCodeOf(code: ErrorCode): number {
  return BY_CODE[code] ?? EXIT_FAILED
}
