import { sleep, type Clock, type Timer } from '../base/clock.ts'
import { backoffDelay } from '../base/backoff.ts'
import { SkeinError, errorMessage, isSkeinError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { Host } from '../net/host.ts'
import type { Admission } from '../security/admission.ts'
import { verifyToken } from '../security/token.ts'

/** Refusals that no second attempt can change. */
const FINAL = ['SKEIN_TOKEN_INVALID', 'SKEIN_TOKEN_EXPIRED', 'SKEIN_TOKEN_FOREIGN', 'SKEIN_TOKEN_USED', 'SKEIN_ALREADY_JOINED', 'SKEIN_CREDENTIAL_INVALID', 'SKEIN_CREDENTIAL_EXPIRED'] as const
/** How long a start waits for some node of the token to answer: rolling restarts are over by then. */
const JOIN_WITHIN_MS = 30_000
const JOIN_BACKOFF = { base: 500, cap: 5_000 }
const ASK_TIMEOUT_MS = 12_000
/** Credentials last days and are renewed after two thirds: once an hour is early enough and gives many tries. */
const RENEWAL_CHECK_MS = 3_600_000

interface Deps {
  admission: Admission
  host: Host
  clock: Clock
  random: Random
  logger: Logger
}

/**
 * Exchanges a join token for a credential, through any of the nodes the token names. Refusals are final; silence is tried
 * again for half a minute. Throws the refusal, or SKEIN_DIAL_FAILED naming the addresses.
 */
export async function joinWithToken({ admission, host, clock, random, logger }: Deps, token: string, name: string): Promise<void> {
  const { addresses, name: federation } = verifyToken(token, clock.wall())
  const request = admission.joinRequest(token, name)
  const end = clock.now() + JOIN_WITHIN_MS
  logger.info('joining', { federation, through: addresses })
  let last: unknown = new SkeinError('SKEIN_DIAL_FAILED', 'the token names no address to join through: ask for a new one')
  for (let attempt = 0; clock.now() < end && addresses.length > 0; attempt++) {
    const controller = new AbortController()
    const timer = clock.after(ASK_TIMEOUT_MS, () => controller.abort(new SkeinError('SKEIN_DEADLINE', 'no answer in time')))
    try {
      // All addresses are of the issuer and its neighbours: each peer is asked on its own, in the token's order.
      for (const group of byPeer(addresses)) {
        try {
          const { answer } = await host.ask(group, request, { signal: controller.signal })
          admission.readJoinAnswer(answer, token)
          return
        } catch (error) {
          if (isSkeinError(error, ...FINAL)) throw error
          last = error
        }
      }
    } finally {
      timer.cancel()
    }
    logger.warn('could not join yet, trying again', { error: errorMessage(last) })
    await sleep(clock, backoffDelay(attempt, JOIN_BACKOFF, random))
  }
  throw isSkeinError(last) ? last : new SkeinError('SKEIN_DIAL_FAILED', `could not join federation "${federation}": ${errorMessage(last)}`, { cause: last })
}

function byPeer(addresses: readonly string[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const address of addresses) {
    const peer = /\/p2p\/([^/]+)$/.exec(address)?.[1] ?? address
    groups.set(peer, [...(groups.get(peer) ?? []), address])
  }
  return [...groups.values()]
}

/** Renews our credential in good time: issuers by themselves, others through any connected node. */
export function createRenewal(deps: Deps): { start(): void; stop(): void } {
  const { admission, host, clock, logger } = deps
  let timer: Timer | undefined
  let stopped = false

  async function renew(): Promise<void> {
    if (!admission.dueForRenewal(clock.wall())) return
    if (!admission.renewSelf()) {
      for (const peer of host.peers()) {
        try {
          admission.readRenewAnswer(await host.askPeer(peer, admission.renewRequest()))
          break
        } catch (error) {
          logger.warn('a node did not renew our credential', { peer, error: errorMessage(error) })
        }
      }
    }
    if (!admission.dueForRenewal(clock.wall())) await host.presentAgain()
  }

  function check(): void {
    renew()
      .catch((error: unknown) => logger.error('renewing the credential failed', { error: errorMessage(error) }))
      .finally(() => {
        if (!stopped) timer = clock.after(RENEWAL_CHECK_MS, check)
      })
  }

  return {
    start: check,
    stop() {
      stopped = true
      timer?.cancel()
    }
  }
}
