import type { Clock } from '../../base/clock.ts'
import type { ConnectionOptions, ServerIdentity } from './connection-ports.ts'
import type { Link } from './link.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { type Era, VERSIONS_2025, VERSION_2026 } from '../../wire/mcp-spec.ts'
import { legacyHandshake } from './rev2025/handshake.ts'
import { discover, type Discovered } from './rev2026/handshake.ts'

/** `npx some-server` may download before it answers. */
export const HANDSHAKE_TIMEOUT = 60_000

/** Some servers ignore what they do not know, others are still starting: then both handshakes are on the way. */
const SILENCE = 2_000

/** Over HTTP every request is answered, if only with an error: whoever is silent is slow. */
const HTTP_SILENCE = 10_000

export interface Negotiated {
  era: Era
  identity: ServerIdentity
}

type Ours = Pick<ConnectionOptions, 'era' | 'version' | 'capabilities' | 'transport'>

/** The handshake of the given era, or of the one the server speaks. */
export async function negotiate(clock: Clock, link: Link, ours: Ours): Promise<Negotiated> {
  if (ours.era === '2025') return { era: '2025', identity: await legacyHandshake(link, ours, HANDSHAKE_TIMEOUT) }
  if (ours.era === 'auto') return probe(clock, link, ours)
  const found = await discover(link, ours, HANDSHAKE_TIMEOUT)
  if ('identity' in found) return { era: '2026', identity: found.identity }
  throw new SkeinError('SKEIN_UPSTREAM_INVALID', 'The server does not speak protocol revision 2026-07-28. Leave mcp.servers.<name>.protocol out, or set it to auto.')
}

/**
 * Asks with `server/discover`, and with `initialize` after an error or some seconds of silence. Once `initialize` is on the way its
 * success decides: a server of both eras that has read it holds us for a client of the older one.
 */
function probe(clock: Clock, link: Link, ours: Ours): Promise<Negotiated> {
  return new Promise((resolve, reject) => {
    const open = { discover: true, initialize: false }
    let modern: Negotiated | undefined
    const errors: unknown[] = []
    const silence = ours.transport.pid === undefined ? HTTP_SILENCE : SILENCE
    let timer = clock.after(silence, initialize)

    function initialize(): void {
      timer.cancel()
      open.initialize = true
      legacyHandshake(link, ours, HANDSHAKE_TIMEOUT).then(
        (identity) => {
          timer.cancel()
          resolve({ era: '2025', identity })
        },
        (error: unknown) => {
          errors.unshift(error)
          open.initialize = false
          decide()
        }
      )
    }
    function decide(): void {
      if (open.initialize) return
      timer.cancel()
      if (modern !== undefined) resolve(modern)
      // What a server said tells more than that it did not say anything.
      else if (!open.discover) reject(errors.find((error) => isSkeinError(error, 'SKEIN_UPSTREAM_INVALID')) ?? errors[0])
    }

    discover(link, ours, HANDSHAKE_TIMEOUT)
      .then(
        (found) => {
          if ('identity' in found) modern = { era: '2026', identity: found.identity }
          else if (!mayBeLegacy(found)) errors.push(unknownVersions(found.versions))
          else if (!open.initialize && errors.length === 0) initialize()
          // It answers, so it would answer `initialize` soon too, if at all.
          if (modern !== undefined && open.initialize) {
            timer = clock.after(SILENCE, () => {
              open.initialize = false
              decide()
            })
          }
        },
        (error: unknown) => {
          if (refused(error) && !open.initialize && errors.length === 0) initialize()
          else errors.push(error)
        }
      )
      .then(() => {
        open.discover = false
        decide()
      })
  })
}

function mayBeLegacy({ versions }: Exclude<Discovered, { identity: ServerIdentity }>): boolean {
  return versions.length === 0 || versions.some((version) => VERSIONS_2025.includes(version))
}

function unknownVersions(versions: readonly string[]): SkeinError {
  const known = [VERSION_2026, ...VERSIONS_2025].join(', ')
  return new SkeinError('SKEIN_UPSTREAM_INVALID', `The server speaks protocol versions ${versions.join(', ').slice(0, 200)}, none of which this version of skein knows; known: ${known}.`)
}

/**
 * Whether an HTTP server turned the question down as one it does not understand. 401, 403 and 429 say nothing about the era, and a
 * server that is broken or away has not answered.
 */
function refused(error: unknown): boolean {
  const status = isSkeinError(error) ? (error.data as { status?: unknown } | undefined)?.status : undefined
  return typeof status === 'number' && status >= 400 && status < 500 && status !== 401 && status !== 403 && status !== 429
}
