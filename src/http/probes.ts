import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Health, NodeApi } from '../node/api.ts'
import { sendJson } from './respond.ts'

/** What each probe asks of the node: an orchestrator restarts on /health, sends traffic on /ready, waits on /startup. */
const PROBES: Record<string, (health: Health) => boolean> = {
  '/health': (health) => health.live,
  '/ready': (health) => health.ready,
  '/startup': (health) => health.started
}

export function isProbe(path: string): boolean {
  return Object.hasOwn(PROBES, path)
}

/** 200 or 503 with `{ status, checks }`; the checks are the same on all three. */
export function answerProbe(path: string, api: Pick<NodeApi, 'health'>, req: IncomingMessage, res: ServerResponse): void {
  // A body would be odd here, and unread it would hold up the connection.
  req.resume()
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    return sendJson(res, 405, { error: { code: 'SKEIN_BAD_REQUEST', message: `${path} answers GET only.` } }, { allow: 'GET, HEAD' })
  }
  const health = api.health()
  const ok = PROBES[path]?.(health) === true
  sendJson(res, ok ? 200 : 503, { status: ok ? 'ok' : 'unavailable', checks: health.checks })
}
