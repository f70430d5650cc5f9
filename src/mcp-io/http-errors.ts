import { errorMessage, SkeinError } from '../base/errors.ts'

/** The connection was never made, so nothing was sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT', 'CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'])

/** The code behind a failed fetch, such as ECONNREFUSED; several addresses tried count as their first. */
function causeCode(error: unknown): string | undefined {
  const cause = (error as { cause?: { code?: unknown; errors?: { code?: unknown }[] } } | null)?.cause
  const code = cause?.code ?? cause?.errors?.[0]?.code
  return typeof code === 'string' ? code : undefined
}

/** True if the request provably never left. */
export function neverSent(error: unknown): boolean {
  return NOT_SENT.has(causeCode(error) ?? '')
}

/**
 * A failed POST as one of our errors: SKEIN_UPSTREAM_DOWN if the server provably did not run it (never reached, or refused with 4xx),
 * SKEIN_OUTCOME_UNKNOWN otherwise.
 */
export function sendError(name: string, url: string, error: unknown): SkeinError {
  const at = `mcp.servers.${name}`
  if (neverSent(error)) return new SkeinError('SKEIN_UPSTREAM_DOWN', `${at}.url: ${url} cannot be reached (${causeCode(error)}). Check that the server runs there.`, { cause: error })
  const status = (error as { status?: unknown } | null)?.status
  if (typeof status === 'number' && status >= 400 && status < 500) return new SkeinError('SKEIN_UPSTREAM_DOWN', `${at}: ${refusal(status)}`, { cause: error })
  return new SkeinError('SKEIN_OUTCOME_UNKNOWN', `${at}: the request failed on the way (${errorMessage(error).slice(0, 300)}). It may or may not have taken effect; check before trying again.`, { cause: error })
}

function refusal(status: number): string {
  if (status === 401 || status === 403) return `the server refused the request (HTTP ${status}). Check the headers in the configuration, such as Authorization.`
  if (status === 404) return 'the server does not know the session or the path (HTTP 404). If it stays so, check the url.'
  return `the server refused the request (HTTP ${status}). Check that the url is a streamable HTTP endpoint.`
}
