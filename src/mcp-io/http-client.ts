import { type Agent, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { causeCode, type HttpFailure, shownUrl } from './http-errors.ts'

/** TCP, TLS and the proxy's tunnel together. Slower ones are as good as down. */
const CONNECT_TIMEOUT = 10_000
/** A server behind its usual two (trailing slash, canonical path) needs no more. */
const MAX_REDIRECTS = 3
/** Kept connections that were dead when used, in a row; the next try normally makes a new one. */
const MAX_STALE = 2
/** A peer that vanished without a word is noticed on streams that are silent for long. */
const KEEPALIVE = 30_000

export interface HttpRequest {
  method: 'POST' | 'GET' | 'DELETE'
  headers: Readonly<Record<string, string>>
  body?: string
  /** May run twice, when a kept connection turns out to be dead. */
  repeatable: boolean
  signal: AbortSignal
}

export interface HttpAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: IncomingMessage
}

export type HttpOutcome = { answer: HttpAnswer } | { failure: HttpFailure }

export interface HttpClient {
  /** Never rejects. The answer's status may be anything but a redirect; its body must be read or destroyed. */
  send(request: HttpRequest): Promise<HttpOutcome>
}

/** HTTP requests to one address, redirects followed within its origin only: the headers given for it go nowhere else. */
export function createHttpClient(deps: { clock: Clock; agent: Agent }, options: { url: string }): HttpClient {
  const { clock, agent } = deps
  let home = new URL(options.url)

  function once(url: URL, request: HttpRequest, tries: number): Promise<HttpOutcome> {
    const secure = url.protocol === 'https:'
    const { method, headers, body, signal, repeatable } = request
    return new Promise((resolve) => {
      let reached = false
      const outgoing = (secure ? httpsRequest : httpRequest)(url, { method, headers, agent, signal })
      const timer = clock.after(CONNECT_TIMEOUT, () => {
        if (!reached) outgoing.destroy(new Error(`no connection within ${CONNECT_TIMEOUT / 1_000} s`))
      })
      const ready = () => {
        reached = true
        timer.cancel()
      }
      outgoing.once('socket', (socket) => {
        if (outgoing.reusedSocket || !(socket.connecting || (socket as TLSSocket & { secureConnecting?: boolean }).secureConnecting)) return ready()
        socket.setKeepAlive(true, KEEPALIVE)
        socket.once(secure ? 'secureConnect' : 'connect', ready)
      })
      outgoing.once('response', (body) => {
        ready()
        resolve({ answer: { status: body.statusCode ?? 0, headers: body.headers, body } })
      })
      outgoing.on('error', (cause) => {
        timer.cancel()
        const stale = outgoing.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(causeCode(cause) ?? '')
        if (stale && repeatable && !signal.aborted && tries < MAX_STALE) return resolve(attempt(url, request, tries + 1))
        resolve({ failure: { kind: reached ? 'lost' : 'unreachable', cause } })
      })
      outgoing.end(body)
    })
  }
  /** What cannot even be written (a header with a line break) was not sent. */
  async function attempt(url: URL, request: HttpRequest, tries: number): Promise<HttpOutcome> {
    try {
      return await once(url, request, tries)
    } catch (cause) {
      return { failure: { kind: 'unreachable', cause } }
    }
  }

  return {
    async send(request) {
      let url = home
      for (let redirects = 0; ; redirects += 1) {
        const outcome = await attempt(url, request, 0)
        if ('failure' in outcome) return outcome
        const { status, headers, body } = outcome.answer
        if (status < 300 || status >= 400 || headers.location === undefined) return outcome
        body.destroy()
        const next = URL.canParse(headers.location, url.href) ? new URL(headers.location, url) : undefined
        const kept = status === 307 || status === 308 || request.method === 'GET'
        if (next?.origin !== home.origin || !kept || redirects === MAX_REDIRECTS) {
          return { failure: { kind: 'redirect', status, to: shownUrl(next?.href ?? headers.location), crossOrigin: next?.origin !== home.origin } }
        }
        url = next
        if (status === 308) home = next
      }
    }
  }
}
