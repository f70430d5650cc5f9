import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import { decodeAttachAnswer, encodeAttachRequest } from '../../wire/tiers.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import type { Acceptance, AttachAnswer, AttachRequest, Contact, HubInfo } from '../../wire/tiers-types.ts'
import { ASK_WITHIN, BETTER_BY, MAX_SEEDS, MAX_VISITS, WAVE } from './limits.ts'
import { isAbove, isPool } from './order.ts'
import type { TiersDeps } from './ports.ts'
import { valueOf, type Limits } from './score.ts'

/** Of the value: those who ask at the same time do not all go to the same hub. */
const SPREAD = 0.05

export interface ReachDeps {
  clock: Clock
  connect: TiersDeps['connect']
  /** Peers that are being asked. */
  asking: Set<string>
}

export interface SeekDeps extends ReachDeps {
  random: Random
  logger: Logger
  ask: TiersDeps['ask']
  rtt: TiersDeps['rtt']
  limits: Limits
  /** Pools that are not gone to, whoever praises them. @default none */
  avoids?(pool: string): boolean
}

export interface Found {
  best: { acceptance: Acceptance; value: number } | undefined
  /** All that were heard of. */
  hubs: readonly HubInfo[]
  /** Somebody answered at all. */
  answered: boolean
}

/**
 * Looks for a place: asks `seeds` until one answers, then whom they name, best first, as long as those promise to be better than the
 * best acceptance so far; at most eight visits, nobody twice. Never rejects, except with the signal's reason.
 */
export async function seek(deps: SeekDeps, request: AttachRequest, seeds: readonly Contact[], signal: AbortSignal): Promise<Found> {
  const visited = new Set<string>()
  const hubs = new Map<string, { info: HubInfo; value: number }>()
  const unknown = seeds.slice(0, MAX_SEEDS)
  let best: Found['best']
  let answered = false

  function value(info: HubInfo): number {
    return valueOf(request, info, deps.limits, deps.rtt(info.peer)) ?? -Infinity
  }

  function heard(answer: AttachAnswer | undefined, from: string): void {
    if (answer === undefined) return
    answered = true
    for (const info of answer.hubs) {
      if (!isPool(info.pool, info.tier) || deps.avoids?.(info.pool) === true) continue
      const own = value(info)
      const key = `${info.peer} ${info.pool}`
      if (own > -Infinity && !hubs.has(key)) hubs.set(key, { info, value: own + (deps.random.float() - 0.5) * SPREAD })
    }
    const { accept } = answer
    if (accept === undefined || !isSound(accept, from, request)) return
    if (deps.avoids?.(accept.pool) === true) return
    // Without a hub it is the one pool of a flat federation: good when there is nothing else.
    const worth = accept.hub === undefined ? -1 : value(accept.hub)
    if (best === undefined || worth > best.value) best = { acceptance: accept, value: worth }
  }

  function next(): Contact[] {
    const known = [...hubs.values()].filter(({ info }) => !visited.has(info.peer)).toSorted((a, b) => b.value - a.value)[0]
    if (known !== undefined && betterThanBest(known.value)) return [known.info]
    if (best !== undefined) return []
    return unknown.filter(({ peer }) => !visited.has(peer)).slice(0, WAVE)
  }

  const pending = new Map<string, Promise<void>>()
  const betterThanBest = (worth: number) => best === undefined || worth > best.value + BETTER_BY
  /** Whoever was asked in the same wave may yet have the better offer. */
  const worthWaiting = () => pending.size > 0 && (best === undefined || [...hubs.values()].some(({ info, value: worth }) => pending.has(info.peer) && betterThanBest(worth)))
  for (let visits = 0; ; ) {
    const asked = visits < MAX_VISITS ? next() : []
    if (asked.length === 0 && !worthWaiting()) break
    if (asked.length > 0) visits++
    for (const contact of asked) {
      visited.add(contact.peer)
      const answer = askOne(deps, contact, request, signal).then((said) => {
        pending.delete(contact.peer)
        heard(said, contact.peer)
      })
      pending.set(contact.peer, answer)
    }
    await Promise.race(pending.values())
    signal.throwIfAborted()
  }
  return { best, hubs: [...hubs.values()].map(({ info }) => info), answered }
}

/** Whether `from` may accept this asker there: only the hub of a pool does, or, in a federation without hubs, any member of the top one. */
export function isSound({ pool, tier, hub }: Acceptance, from: string, request: Pick<AttachRequest, 'pool' | 'tier'>): boolean {
  if (!isPool(pool, tier) || pool === request.pool) return false
  if (hub === undefined) return pool === ROOT_POOL
  return hub.peer === from && hub.pool === pool && hub.tier === tier && isAbove(tier, request.tier)
}

/** Undefined if it does not answer in time or not sensibly. */
export async function askOne(deps: SeekDeps, { peer, addresses }: Contact, request: AttachRequest, signal: AbortSignal): Promise<AttachAnswer | undefined> {
  const end = deps.clock.now() + ASK_WITHIN
  try {
    return await inTime(deps, peer, signal, async (late) => {
      await deps.connect(peer, addresses, { signal: late })
      const body = await deps.ask(peer, 'attach', encodeAttachRequest(request), { timeout: Math.max(1, end - deps.clock.now()), signal: late })
      return decodeAttachAnswer(body)
    })
  } catch (error) {
    deps.logger.debug('a node did not say where to attach', { peer, error: errorMessage(error) })
    return undefined
  }
}

/** A session with a peer, if there is a way in time. Never rejects. */
export async function reach(deps: ReachDeps, peer: string, addresses: readonly string[], signal: AbortSignal): Promise<void> {
  // The caller sees who is there by other means.
  await inTime(deps, peer, signal, (late) => deps.connect(peer, addresses, { signal: late })).catch(() => {})
}

/** Until it is over, the connection with the peer is wanted. */
async function inTime<T>({ clock, asking }: ReachDeps, peer: string, signal: AbortSignal, work: (late: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const onAbort = () => abort.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const timer = clock.after(ASK_WITHIN, () => abort.abort(new Error('no answer in time')))
  asking.add(peer)
  try {
    return await work(abort.signal)
  } finally {
    asking.delete(peer)
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
  }
}
