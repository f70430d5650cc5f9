import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { errorMessage, isSkeinError, SkeinError } from '../../base/errors.ts'
import type { NodeApi } from '../../node/api.ts'
import { toControlError } from '../../wire/control.ts'
import { hostProblem, isJson, originProblem, type HostRules } from '../mcp/guards.ts'
import { sendJson, statusOf } from '../respond.ts'
import { createApiAuth } from './auth.ts'
import { hasBody, readFields, readQuery } from './input.ts'
import type { ApiRoute } from './route.ts'
import { API_PATHS, apiRouteOf, methodsOf } from './routes.ts'

/** Most answers take microseconds; an order that has not come through by then is stuck, ms. */
const DEFAULT_DEADLINE = 10_000

export interface HttpApiDeps {
  /** Asked at each request. May throw SKEIN_BUSY: the node is starting. */
  api(): NodeApi
  clock: Clock
  logger: Logger
}

export interface HttpApiOptions {
  rules: HostRules
  token: string
  /** Name of the file that holds the token. */
  tokenFile: string
}

export interface HttpApi {
  /** Answers a request on a path that `isApiPath` knows; its body is not read yet. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse, path: string): void
}

export function isApiPath(path: string): boolean {
  return path === '/api' || path.startsWith('/api/') || path === '/admin' || path.startsWith('/admin/')
}

/** Questions and orders to the node over HTTP, for programs: behind the checks of /mcp and a bearer token. */
export function createHttpApi(deps: HttpApiDeps, options: HttpApiOptions): HttpApi {
  const { clock, logger } = deps
  const auth = createApiAuth(options.token, options.tokenFile)

  function refuse(req: IncomingMessage, res: ServerResponse, status: number, error: { code: string; message: string }, headers?: Record<string, string>): void {
    // Unread, a body would hold up the connection.
    req.resume()
    sendJson(res, status, { error }, headers)
  }

  /** What the route answers, or rejects when its time is over or the client goes away, whether it minds its signal or not. */
  function run(route: ApiRoute, query: Record<string, string>, body: Record<string, unknown>, res: ServerResponse): Promise<object> {
    const controller = new AbortController()
    const { signal } = controller
    const deadline = route.deadline ?? DEFAULT_DEADLINE
    const timer = clock.after(deadline, () => controller.abort(new SkeinError('SKEIN_DEADLINE', `That took longer than ${deadline / 1_000} s.`)))
    const onClose = () => controller.abort(new SkeinError('SKEIN_CANCELLED', 'the client went away'))
    res.once('close', onClose)
    const over = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    // A run that goes on after that may still fail, with nobody to tell.
    const answer = Promise.resolve().then(() => route.run(deps.api(), { query, body, signal }))
    answer.catch(() => {})
    return Promise.race([answer, over]).finally(() => {
      timer.cancel()
      res.off('close', onClose)
    })
  }

  async function answer(req: IncomingMessage, res: ServerResponse, path: string, route: ApiRoute): Promise<void> {
    try {
      const query = readQuery(route, (req.url ?? '').slice(path.length))
      if (req.method !== 'POST') req.resume()
      const body = req.method === 'POST' ? await readFields(route, req) : {}
      const result = await run(route, query, body, res)
      if (route.admin === true) logger.info('an order over HTTP was carried out', { path })
      if (!res.destroyed) sendJson(res, route.status ?? 200, result)
    } catch (error) {
      fail(req, res, path, error)
    }
  }

  function fail(req: IncomingMessage, res: ServerResponse, path: string, error: unknown): void {
    if (!isSkeinError(error)) logger.error('a request to the API failed', { error: errorMessage(error), path })
    if (res.headersSent || res.destroyed) return void res.destroy()
    const status = isSkeinError(error) ? statusOf(error.code) : 500
    // What an error of ours was not meant to tell stays in the log.
    const told = isSkeinError(error) ? toControlError(error) : { code: 'SKEIN_INTERNAL', message: 'The node could not answer; its log says why.' }
    // The rest of a body that is too large is not worth reading.
    refuse(req, res, status, told, status === 413 ? { connection: 'close' } : undefined)
  }

  return {
    handle(req, res, path) {
      res.on('error', () => res.destroy())
      const problem = hostProblem(req.headers.host, options.rules) ?? originProblem(req.headers.origin, options.rules)
      if (problem !== undefined) return refuse(req, res, 403, { code: 'SKEIN_NOT_ADMITTED', message: problem })
      // Before anything else is said: what there is under /api is no business of whoever has no token.
      const refusal = auth.refusal(req.headers.authorization)
      if (refusal !== undefined) return refuse(req, res, 401, { code: 'SKEIN_NOT_ADMITTED', message: refusal.message }, { 'www-authenticate': refusal.challenge })
      const methods = methodsOf(path)
      if (methods === undefined) return refuse(req, res, 404, { code: 'SKEIN_NOT_FOUND', message: `There is nothing here. There is: ${API_PATHS.join(', ')}.` })
      const allow = { allow: methods.join(', ') }
      if (req.method === 'OPTIONS') {
        req.resume()
        return void res.writeHead(204, allow).end()
      }
      const route = apiRouteOf(req.method ?? '', path)
      if (route === undefined) return refuse(req, res, 405, { code: 'SKEIN_BAD_REQUEST', message: `${path} answers ${allow.allow} only.` }, allow)
      if (req.method === 'POST' && hasBody(req) && !isJson(req.headers['content-type'])) {
        return refuse(req, res, 415, { code: 'SKEIN_BAD_REQUEST', message: 'Send JSON, with "content-type: application/json".' })
      }
      void answer(req, res, path, route)
    }
  }
}
