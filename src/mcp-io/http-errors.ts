import { errorMessage, SkeinError } from '../base/errors.ts'
import { MAY_HAVE_RUN } from '../mcp/failed-call.ts'

/** Why a request to an HTTP server brought no answer. */
export type HttpFailure =
  /** No connection was made, so nothing was sent. */
  | { kind: 'unreachable'; cause: unknown }
  /** The server, or something on the way, answered with this status. */
  | { kind: 'status'; status: number; detail?: string }
  /** A redirect that is not followed; `to` is the address without its secrets. */
  | { kind: 'redirect'; status: number; to: string; crossOrigin: boolean }
  /** The connection broke, or the answer was not one. */
  | { kind: 'lost'; cause: unknown }

/** What a server may tell us in an error; the rest is noise in a log. */
const MAX_DETAIL_CHARS = 300

/** The code behind a failed request, such as ECONNREFUSED; several addresses tried count as their first. */
export function causeCode(error: unknown): string | undefined {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: { code?: unknown }[] }
  const found = code ?? errors?.[0]?.code
  return typeof found === 'string' ? found : undefined
}

/**
 * A failed request as one of our errors: SKEIN_UPSTREAM_DOWN (429: SKEIN_BUSY) if the server provably did not run it, because it was
 * never reached or refused with 3xx or 4xx; SKEIN_OUTCOME_UNKNOWN otherwise. `data.status` has the HTTP status where there was one.
 */
export function sendError(name: string, url: string, failure: HttpFailure): SkeinError {
  const at = `mcp.servers.${name}`
  const lost = (why: string, options: { cause?: unknown; data?: unknown }) =>
    new SkeinError('SKEIN_OUTCOME_UNKNOWN', `${at}: the request failed on the way (${why.slice(0, MAX_DETAIL_CHARS)}). ${MAY_HAVE_RUN}`, options)
  if (failure.kind === 'lost') return lost(errorMessage(failure.cause), { cause: failure.cause })
  if (failure.kind === 'unreachable') {
    const { cause } = failure
    return new SkeinError('SKEIN_UPSTREAM_DOWN', `${at}.url: ${shownUrl(url)} cannot be reached (${causeCode(cause) ?? errorMessage(cause)}). ${advice(causeCode(cause))}`, { cause })
  }
  const { status } = failure
  const data = { status }
  if (failure.kind === 'redirect') {
    const why = failure.crossOrigin ? 'of another origin, where the headers of this entry must not go' : 'in a way that turns a request into a GET, or in circles'
    return new SkeinError('SKEIN_UPSTREAM_DOWN', `${at}.url: the server redirects (HTTP ${status}) to ${failure.to}, ${why}. If that is the right address, write it into the configuration.`, { data })
  }
  if (status >= 500) return lost(`HTTP ${status}`, { data })
  const detail = failure.detail === undefined || failure.detail === '' ? '' : ` It said: ${failure.detail.slice(0, MAX_DETAIL_CHARS)}`
  return new SkeinError(status === 429 ? 'SKEIN_BUSY' : 'SKEIN_UPSTREAM_DOWN', `${at}: ${refusal(status)}${detail}`, { data })
}

/** An address as it may be logged: without user, password and query. */
export function shownUrl(url: string): string {
  if (!URL.canParse(url)) return url
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

function advice(code: string | undefined): string {
  if (code?.includes('CERT') || code?.includes('SIGNATURE')) return 'Its certificate is not trusted: give the authority in ca_file, or correct the host name in the url.'
  if (code?.startsWith('ERR_PROXY')) return 'The proxy refused the way there: check proxy in this entry, or HTTPS_PROXY and NO_PROXY in the environment of skein.'
  return 'Check that the server runs there, and the proxy if one is set.'
}

function refusal(status: number): string {
  if (status === 401 || status === 403) return `the server refused the request (HTTP ${status}). Check the headers in the configuration, such as Authorization.`
  if (status === 404) return 'the server does not know the session or the path (HTTP 404). If it stays so, check the url.'
  if (status === 429) return 'the server has too much to do (HTTP 429). Try again later.'
  return `the server refused the request (HTTP ${status}). Check that the url is a streamable HTTP endpoint.`
}
