import { sleep, type Clock, type Timer } from '../../base/clock.ts'
import { backoffDelay } from '../../base/backoff.ts'
import { SkeinError, errorMessage, isSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { randomInt, type Random } from '../../base/random.ts'
import type { DiscoverySource } from '../../net/discovery/ports.ts'
import type { Host } from '../../net/host.ts'
import type { Admission } from '../../security/admission.ts'
import { verifyToken } from '../../security/token.ts'

/** Refusals that no second attempt and no other node can change. A foreign token is another matter: the next node may be of its federation. */
const FINAL = ['SKEIN_TOKEN_INVALID', 'SKEIN_TOKEN_EXPIRED', 'SKEIN_TOKEN_USED', 'SKEIN_ALREADY_JOINED', 'SKEIN_CREDENTIAL_INVALID', 'SKEIN_CREDENTIAL_EXPIRED', 'SKEIN_BANNED'] as const
/** When nodes fail a join for different reasons, the error has the first of these codes: they say more than a dial that failed. */
const TELLING = ['SKEIN_ISSUER_UNREACHABLE', 'SKEIN_TOKEN_FOREIGN'] as const
/** How long a start waits for some node of the token to answer: rolling restarts are over by then. */
const JOIN_WITHIN_MS = 30_000
const JOIN_BACKOFF = { base: 500, cap: 5_000 }
/** For one node: longer than its own wait for a distant issuer. */
const ASK_TIMEOUT_MS = 12_000
/** Credentials last days and are renewed after two thirds: once an hour is early enough and gives many tries. */
const RENEWAL_CHECK_MS = 3_600_000
/** A renewal that is due and did not work: a node that has just started, perhaps with hours left, has no peers yet. */
const RENEWAL_RETRY_MS = 60_000
/** Members that are asked in one round; all of them ask the same issuers. */
const ASKED_AT_ONCE = 3

interface Deps {
  admission: Admission
  host: Host
  clock: Clock
  random: Random
  logger: Logger
}

export interface JoinDeps extends Deps {
  bootstrap: readonly DiscoverySource[]
}

/** A token that a member starts with is of no use, but one of another federation is a mistake. Throws SKEIN_ALREADY_JOINED. */
export function checkLeftoverToken(admission: Admission, token: string): void {
  try {
    admission.joinRequest(token, '')
  } catch (error) {
    // One that has expired since it was used still stands in many a configuration file.
    if (isSkeinError(error, 'SKEIN_ALREADY_JOINED')) throw error
  }
}

/**
 * Exchanges a join token for a credential: through the configured bootstrap nodes, which this machine's owner chose, then
 * through those that the token names. Refusals are final; silence is tried again for half a minute.
 * Throws the refusal, SKEIN_ISSUER_UNREACHABLE, SKEIN_DIAL_FAILED naming the addresses, or the signal's reason.
 */
export async function joinWithToken(
  { admission, host, clock, random, logger, bootstrap }: JoinDeps,
  token: string,
  name: string,
  options: { signal?: AbortSignal } = {}
): Promise<void> {
  const { addresses, name: federation } = verifyToken(token, clock.wall())
  const request = admission.joinRequest(token, name)
  const end = clock.now() + JOIN_WITHIN_MS

  function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const timer = clock.after(ms, () => controller.abort(new SkeinError('SKEIN_DEADLINE', 'no answer in time')))
    const onStop = () => controller.abort(options.signal?.reason)
    options.signal?.addEventListener('abort', onStop, { once: true })
    return work(controller.signal).finally(() => {
      timer.cancel()
      options.signal?.removeEventListener('abort', onStop)
    })
  }

  /** Looked up anew for every round: files are edited while people wait. */
  async function places(): Promise<string[][]> {
    const found: string[] = []
    for (const source of bootstrap) {
      try {
        found.push(...(await within(ASK_TIMEOUT_MS, (signal) => source.find({ signal }))).map((candidate) => candidate.address))
      } catch (error) {
        logger.warn(`discovery by ${source.name} failed`, { error: errorMessage(error) })
      }
    }
    return byPeer([...found, ...addresses])
  }

  /** Who refused the token as foreign: asked again, they would bar us as a nuisance. */
  const foreign = new Map<string, unknown>()
  let failures: unknown[] = [new SkeinError('SKEIN_DIAL_FAILED', 'the token names no address to join through: ask for a new one, or set network.bootstrap')]
  for (let attempt = 0; clock.now() < end; attempt++) {
    const groups = await places()
    options.signal?.throwIfAborted()
    if (groups.length === 0) break
    if (attempt === 0) logger.info('joining', { federation, through: groups.flat() })
    failures = [...foreign.values()]
    for (const group of groups) {
      const place = group.join()
      if (foreign.has(place)) continue
      try {
        const { answer } = await within(ASK_TIMEOUT_MS, (signal) => host.ask(group, request, { signal }))
        admission.readJoinAnswer(answer, token)
        return
      } catch (error) {
        options.signal?.throwIfAborted()
        if (isSkeinError(error, ...FINAL)) throw error
        failures.push(error)
        if (isSkeinError(error, 'SKEIN_TOKEN_FOREIGN')) foreign.set(place, error)
      }
    }
    if (groups.every((group) => foreign.has(group.join()))) break
    logger.warn('could not join yet, trying again', { error: failures.map(errorMessage).join('; ') })
    await sleep(clock, backoffDelay(attempt, JOIN_BACKOFF, random), options)
  }
  throw joinFailure(federation, failures)
}

function joinFailure(federation: string, failures: readonly unknown[]): SkeinError {
  const code = TELLING.find((telling) => failures.some((error) => isSkeinError(error, telling))) ?? 'SKEIN_DIAL_FAILED'
  // Each sentence once: many nodes may give the same reason.
  const reasons = [...new Set(failures.map(errorMessage))].join('; ')
  return new SkeinError(code, `could not join federation "${federation}": ${reasons}`, { cause: failures[0] })
}

/** Addresses of one peer are dialled together; each peer is asked on its own. */
function byPeer(addresses: readonly string[]): string[][] {
  const groups = new Map<string, Set<string>>()
  for (const address of addresses) {
    const peer = /\/p2p\/([^/]+)$/.exec(address)?.[1] ?? address
    groups.set(peer, (groups.get(peer) ?? new Set()).add(address))
  }
  return [...groups.values()].map((group) => [...group])
}

/**
 * For a member whose credential has ended, which nobody renews any more: a token lets it in again. Its servers are there for the
 * clients of this machine either way, so a failure is only logged. Rejects with the signal's reason.
 */
export async function joinAgain(deps: JoinDeps, token: string, name: string, options: { signal?: AbortSignal } = {}): Promise<void> {
  const { admission, clock, logger } = deps
  const issuer = admission.federation()?.issuer === true
  if (issuer || admission.myCredential().credential.expires > clock.wall()) return
  try {
    await joinWithToken(deps, token, name, options)
  } catch (error) {
    options.signal?.throwIfAborted()
    logger.warn('our credential has ended and joining again did not work: make a new token on an issuer and start with it', { error: errorMessage(error) })
  }
}

/**
 * Renews our credential in good time: issuers by themselves, others through any connected node.
 * @param deps.onRenewed the new one is there
 */
export function createRenewal(deps: Deps & { onRenewed?: () => void }): { start(): void; stop(): void } {
  const { admission, host, clock, random, logger } = deps
  let timer: Timer | undefined
  let stopped = false

  async function renew(): Promise<void> {
    if (!admission.dueForRenewal(clock.wall())) return
    if (!admission.renewSelf()) {
      const peers = host.peers()
      const first = randomInt(random, peers.length)
      for (const peer of [...peers.slice(first), ...peers.slice(0, first)].slice(0, ASKED_AT_ONCE)) {
        try {
          admission.readRenewAnswer(await host.askPeer(peer, admission.renewRequest()))
          break
        } catch (error) {
          logger.warn('a node did not renew our credential', { peer, error: errorMessage(error) })
        }
      }
    }
    if (admission.dueForRenewal(clock.wall())) return
    deps.onRenewed?.()
    await host.presentAgain()
  }

  function check(): void {
    renew()
      .catch((error: unknown) => logger.error('renewing the credential failed', { error: errorMessage(error) }))
      .finally(() => {
        if (!stopped) timer = clock.after(admission.dueForRenewal(clock.wall()) ? RENEWAL_RETRY_MS : RENEWAL_CHECK_MS, check)
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
