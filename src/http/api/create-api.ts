import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '../../base/logger.ts'
import { errorMessage, isSkeinError } from '../../base/errors.ts'
import type { NodeApi } from '../../node/api.ts'
import { toControlError } from '../../wire/control.ts'
import { hostProblem, originProblem, type HostRules } from '../mcp/guards.ts'
import { sendJson, statusOf } from '../respond.ts'
import { createApiAuth } from './auth.ts'
import { API_ROUTES, apiRouteOf } from './routes.ts'

export interface HttpApiDeps {
  api: NodeApi
  logger: Logger
}

export interface HttpApiOptions {
  rules: HostRules
  token: string
  /** Name of the file that holds the token. */
  tokenFile: string
}

export interface HttpApi {
  /** Answers a request on a path that `isApiPath` knows; its body is not read. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse, path: string): void
}

export function isApiPath(path: string): boolean {
  return path === '/api' || path.startsWith('/api/')
}

/** Questions to the node over HTTP, for programs: as the control socket answers them, behind the checks of /mcp and a bearer token. */
export function createHttpApi(deps: HttpApiDeps, options: HttpApiOptions): HttpApi {
  const auth = createApiAuth(options.token, options.tokenFile)

  function refuse(res: ServerResponse, status: number, code: 'SKEIN_NOT_ADMITTED' | 'SKEIN_NOT_FOUND' | 'SKEIN_BAD_REQUEST', message: string, headers?: Record<string, string>): void {
    sendJson(res, status, { error: { code, message } }, headers)
  }

  async function answer(res: ServerResponse, path: string, run: () => object | Promise<object>): Promise<void> {
    try {
      const body = await run()
      if (!res.destroyed) sendJson(res, 200, body)
    } catch (error) {
      if (!isSkeinError(error)) deps.logger.error('a request to the API failed', { error: errorMessage(error), path })
      if (res.headersSent) res.destroy()
      else sendJson(res, isSkeinError(error) ? statusOf(error.code) : 500, { error: toControlError(error) })
    }
  }

  return {
    handle(req, res, path) {
      res.on('error', () => res.destroy())
      // A body has no meaning here, and unread it would hold up the connection.
      req.resume()
      const problem = hostProblem(req.headers.host, options.rules) ?? originProblem(req.headers.origin, options.rules)
      if (problem !== undefined) return refuse(res, 403, 'SKEIN_NOT_ADMITTED', problem)
      // Before anything else is said: what there is under /api is no business of whoever has no token.
      const refusal = auth.refusal(req.headers.authorization)
      if (refusal !== undefined) return refuse(res, 401, 'SKEIN_NOT_ADMITTED', refusal.message, { 'www-authenticate': refusal.challenge })
      const route = apiRouteOf(path)
      if (route === undefined) return refuse(res, 404, 'SKEIN_NOT_FOUND', `There is nothing here. Under /api there is: ${Object.keys(API_ROUTES).join(', ')}.`)
      if (req.method !== 'GET') return refuse(res, 405, 'SKEIN_BAD_REQUEST', `${path} answers GET only.`, { allow: 'GET' })
      void answer(res, path, () => API_ROUTES[route](deps.api))
    }
  }
}
