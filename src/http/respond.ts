import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../base/error-codes.ts'

const STATUS: Partial<Record<ErrorCode, number>> = {
  SKEIN_BAD_REQUEST: 400,
  SKEIN_LIMIT: 413,
  SKEIN_NOT_FOUND: 404,
  SKEIN_NO_PROVIDER: 404,
  SKEIN_NOT_ADMITTED: 403,
  SKEIN_TOKEN_INVALID: 403,
  SKEIN_BUSY: 429,
  SKEIN_BREAKER_OPEN: 503,
  SKEIN_CONFIG: 422,
  SKEIN_DEADLINE: 504
}

/** The HTTP status of one of our errors; 500 for those that are no fault of the request. */
export function statusOf(code: ErrorCode): number {
  return STATUS[code] ?? 500
}

/** A whole JSON answer. */
export function sendJson(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = `${JSON.stringify(body)}\n`
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store', ...headers })
  res.end(text)
}
