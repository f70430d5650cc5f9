import type { IncomingMessage, ServerResponse } from 'node:http'

/** JSON-RPC codes of this edge; -32000, -32001 and -32600 as servers of the SDK use them. */
export const BAD_REQUEST = -32000
export const SESSION_NOT_FOUND = -32001
export const PARSE_ERROR = -32700
export const INVALID_REQUEST = -32600
export const UNSUPPORTED_VERSION = -32022

/** Answers with a JSON body in one write. */
export function sendJson(res: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  if (res.headersSent || res.destroyed) return
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers })
  res.end(body)
}

/** Refuses a request with a JSON-RPC error body; `id` is null where it is not known. */
export function refuse(
  res: ServerResponse,
  status: number,
  error: { code: number; message: string; data?: unknown },
  headers: Record<string, string> = {},
  id: string | number | null = null
): void {
  sendJson(res, status, JSON.stringify({ jsonrpc: '2.0', id, error }), headers)
}

/** Lets a body that nobody reads pass by, so that the connection can serve the next request. */
export function skipBody(req: IncomingMessage): void {
  if (!req.complete) req.resume()
}
