import type { IncomingMessage, ServerResponse } from 'node:http'
import { responseText, type JsonRpcError, type JsonRpcId, type Outcome } from '../../wire/json-rpc.ts'

/** JSON-RPC codes of this edge; -32000, -32001 and -32600 as servers of the SDK use them. */
export const BAD_REQUEST = -32000
export const SESSION_NOT_FOUND = -32001

/** Why a path is refused that is well-formed but leads nowhere now. */
export function noSuchView(view: string | undefined): string {
  if (view?.startsWith('@')) return `There is no view named "${view}": see mcp.views in the configuration.`
  return `No node offers a server named "${view}": see "skein tools ls" for what there is.`
}

/** The same as the answer to a request: programs read the code, for a server that is not there may come. */
export function viewMissing(view: string | undefined): JsonRpcError {
  return { code: BAD_REQUEST, message: noSuchView(view), data: { code: view?.startsWith('@') === true ? 'SKEIN_NOT_FOUND' : 'SKEIN_NO_PROVIDER' } }
}

/** Answers with a JSON body in one write. */
export function sendJson(res: ServerResponse, status: number, body: string, headers?: Record<string, string>): void {
  if (res.headersSent || res.destroyed) return
  const length = Buffer.byteLength(body)
  res.writeHead(status, headers === undefined ? { 'content-type': 'application/json', 'content-length': length } : { 'content-type': 'application/json', 'content-length': length, ...headers })
  res.end(body)
}

/** Refuses a request with a JSON-RPC error body; `id` is null where it is not known. */
export function refuse(
  res: ServerResponse,
  status: number,
  error: JsonRpcError,
  headers?: Record<string, string>,
  id: JsonRpcId | null = null
): void {
  sendJson(res, status, responseText(id, { error }), headers)
}

/** The node is going: the connection ends with the answer, so that the client's next one finds another. */
const LEAVING = { connection: 'close', 'retry-after': '1' }

/**
 * A whole answer. `atOnce`: it came while the request was handed in, so that SKEIN_GOAWAY is our own node that stops, which HTTP
 * has a status for, and not one that was asked.
 */
export function sendOutcome(res: ServerResponse, id: JsonRpcId, outcome: Outcome, status: number, atOnce: boolean, headers?: Record<string, string>): void {
  const leaving = atOnce && 'error' in outcome && codeOf(outcome.error) === 'SKEIN_GOAWAY'
  sendJson(res, leaving ? 503 : status, responseText(id, outcome), leaving ? { ...headers, ...LEAVING } : headers)
}

/** Why nothing begins at a node that is drained or stopping. */
const DRAINING: JsonRpcError = {
  code: BAD_REQUEST,
  message: 'This node is being drained or stopped: it was not run; use another node, or try again in a while.',
  data: { code: 'SKEIN_GOAWAY' }
}

/** Refuses what would begin at a node that is drained or stopping: 503, for whoever sends on to another node reads the status. */
export function refuseDraining(res: ServerResponse, id: JsonRpcId): void {
  refuse(res, 503, DRAINING, LEAVING, id)
}

/** Our own code in an error, such as SKEIN_BUSY. */
function codeOf(error: JsonRpcError): unknown {
  return typeof error.data === 'object' && error.data !== null && 'code' in error.data ? error.data.code : undefined
}

/** Lets a body that nobody reads pass by, so that the connection can serve the next request. */
export function skipBody(req: IncomingMessage): void {
  if (!req.complete) req.resume()
}
