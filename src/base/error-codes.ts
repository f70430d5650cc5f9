/**
 * Every error a person, a client or another node can meet: a stable code, its number on the wire, and whether
 * trying again helps. `elsewhere`: provably not run, another provider may take it. `later`: the same request may succeed
 * after a while. `never`: the request itself must change. Numbers are never reused (protocols/rpc.md repeats them).
 */
export const ERROR_CODES = {
  SKEIN_INTERNAL: { wire: 1, retry: 'never' },
  SKEIN_PROTOCOL: { wire: 2, retry: 'never' },
  SKEIN_LIMIT: { wire: 3, retry: 'never' },
  SKEIN_BUSY: { wire: 4, retry: 'elsewhere' },
  SKEIN_GOAWAY: { wire: 5, retry: 'elsewhere' },
  SKEIN_NOT_FOUND: { wire: 6, retry: 'elsewhere' },
  SKEIN_UNDELIVERED: { wire: 7, retry: 'elsewhere' },
  SKEIN_NO_PROVIDER: { wire: 8, retry: 'later' },
  SKEIN_DEADLINE: { wire: 9, retry: 'later' },
  SKEIN_CANCELLED: { wire: 10, retry: 'never' },
  SKEIN_OUTCOME_UNKNOWN: { wire: 11, retry: 'never' },
  SKEIN_HOPS: { wire: 12, retry: 'never' },
  SKEIN_UPSTREAM_DOWN: { wire: 13, retry: 'elsewhere' },
  SKEIN_UPSTREAM_INVALID: { wire: 14, retry: 'never' },
  SKEIN_BAD_REQUEST: { wire: 15, retry: 'never' },
  SKEIN_SESSION_CLOSED: { wire: 16, retry: 'later' },
  SKEIN_BREAKER_OPEN: { wire: 17, retry: 'elsewhere' },
  SKEIN_NOT_ADMITTED: { wire: 32, retry: 'never' },
  SKEIN_TOKEN_INVALID: { wire: 33, retry: 'never' },
  SKEIN_TOKEN_EXPIRED: { wire: 34, retry: 'never' },
  SKEIN_TOKEN_FOREIGN: { wire: 35, retry: 'never' },
  SKEIN_TOKEN_USED: { wire: 36, retry: 'never' },
  SKEIN_ISSUER_UNREACHABLE: { wire: 37, retry: 'later' },
  SKEIN_CREDENTIAL_INVALID: { wire: 38, retry: 'never' },
  SKEIN_CREDENTIAL_EXPIRED: { wire: 39, retry: 'never' },
  SKEIN_BANNED: { wire: 40, retry: 'never' },
  SKEIN_CONFLICT: { wire: 60, retry: 'never' },
  SKEIN_NO_QUORUM: { wire: 61, retry: 'later' },
  SKEIN_PROPOSAL_EXPIRED: { wire: 62, retry: 'later' },
  SKEIN_CONFIG: { wire: 64, retry: 'never' },
  SKEIN_PORT_IN_USE: { wire: 65, retry: 'never' },
  SKEIN_KEY_FILE: { wire: 66, retry: 'never' },
  SKEIN_DATA_DIR: { wire: 67, retry: 'never' },
  SKEIN_NOT_RUNNING: { wire: 68, retry: 'never' },
  SKEIN_ALREADY_RUNNING: { wire: 69, retry: 'never' },
  SKEIN_USAGE: { wire: 70, retry: 'never' },
  SKEIN_DIAL_FAILED: { wire: 71, retry: 'later' },
  SKEIN_ALREADY_JOINED: { wire: 72, retry: 'never' },
  SKEIN_SUPERSEDED: { wire: 73, retry: 'never' },
  SKEIN_NOT_ISSUER: { wire: 120, retry: 'never' }
} as const satisfies Record<string, { wire: number; retry: 'never' | 'elsewhere' | 'later' }>

export type ErrorCode = keyof typeof ERROR_CODES

const BY_WIRE = new Map<number, ErrorCode>(Object.entries(ERROR_CODES).map(([code, entry]) => [entry.wire, code as ErrorCode]))

/** The code of a wire number; numbers of a newer version read as SKEIN_INTERNAL. */
export function errorCodeOf(wire: number): ErrorCode {
  return BY_WIRE.get(wire) ?? 'SKEIN_INTERNAL'
}
