import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Reach } from '../../rpc/reach/types.ts'
import { ownerOf, type ResolvedProvider } from '../../wire/summary-types.ts'
import type { DirectLinks } from './direct-links.ts'
import type { LongTail } from './long-tail.ts'
import type { DistantMetrics } from './metrics.ts'

/** An answer serves for so long, ms: providers come and go, and whoever is gone costs a call one round trip. */
const KEPT = 30_000
/** Answers, and servers' tools asked about at a time: more than an edge's clients use within half a minute. */
const MAX_KEPT = 1_024
/** Providers remembered after their answer: what they are called, and whom to ask for the way there; 8 of each answer. */
const MAX_PROVIDERS = 8_192
/** A hub answers after a few round trips; one that does not stands still or has gone, ms. */
const RESOLVE_TIMEOUT = 2_000
/** Questions under way; one more finds nobody, and is asked again a moment later. */
const MAX_ASKING = 256

/** What a call looks for beyond the pools: a Route, a ToolTarget and a VisibleServer are some. */
export interface Wanted {
  /** `summaryKey` of the server; undefined: it is not to be had beyond the pools of this node. */
  distant?: string
  tool?: string
  /** Of the tool's definition, as the caller listed it. */
  digest?: string
  /** Nobody else will do: peer id. */
  only?: string
}

export interface DistantDeps {
  self: string
  clock: Clock
  logger: Logger
  metrics: DistantMetrics
  /** As of federation/summary: nearest first, [] when nobody has it. */
  resolve(key: string, options: { signal: AbortSignal; timeout: number; tool?: string; fresh?: boolean }): Promise<readonly ResolvedProvider[]>
  /** Keeps the server among those that the hub tells of. @default it may go from the lists when they are full */
  interest?(key: string): void
  /** Asked when no hub names anybody. @default nobody else is asked */
  longTail?: Pick<LongTail, 'known' | 'search'> | undefined
  reach: Pick<Reach, 'path' | 'suggest'>
  links: Pick<DirectLinks, 'called' | 'keeps'>
}

/** Providers beyond the pools of this node: found by asking a hub, reached over the ways that it says. */
export interface Distant {
  /** Those found lately that can be reached now, nearest first. Nobody is asked. */
  known(want: Wanted): readonly string[]
  /**
   * The same, after asking where need be; [] when nobody was found within `within` ms. Never rejects.
   * @param since what was asked before that does not count, on the clock, ms: something has changed. @default anything counts
   */
  find(want: Wanted, options: { within: number; since?: number | undefined }): Promise<readonly string[]>
  /** What its last answer said, whatever it was about. */
  provider(peer: string): ResolvedProvider | undefined
  /** As in ReachDeps.resolveAgain. */
  again(peer: string, within: number): Promise<void>
  /** What is known of the server is old: it is asked for anew. */
  forget(want: Wanted): void
  /** A call leaves for a distant provider. */
  called(peer: string): void
  /** As in DirectLinks. */
  keeps(peer: string): boolean
  stop(): void
}

interface Answer {
  providers: readonly ResolvedProvider[]
  /** When the question left and the answer came, ms. */
  asked: number
  at: number
}

export function createDistant({ self, clock, logger, metrics, resolve, interest, longTail, reach, links }: DistantDeps): Distant {
  /** By `keyOf`; the oldest goes first. */
  const answers = new Map<string, Answer>()
  const asking = new Map<string, { asked: number; done: Promise<void> }>()
  /** Last seen last. */
  const providers = new Map<string, { provider: ResolvedProvider; want: Wanted }>()
  const life = new AbortController()

  const keyOf = ({ distant, tool }: Wanted) => (tool === undefined ? String(distant) : `${distant}\n${tool}`)

  function learn(want: Wanted, provider: ResolvedProvider): void {
    const { peer, via, rtt } = provider
    put(providers, MAX_PROVIDERS, peer, { provider, want })
    if (via.length > 0) reach.suggest(peer, { via, rtt })
  }

  function answered(want: Wanted, key: string, asked: number, found: readonly ResolvedProvider[]): void {
    if (found.length === 0) return void answers.delete(key)
    // The nearest last: of the ways that are kept it is the newest.
    for (const provider of found.toReversed()) learn(want, provider)
    if ((answers.get(key)?.asked ?? -Infinity) <= asked) put(answers, MAX_KEPT, key, { providers: found, asked, at: clock.now() })
  }

  /** Nobody waits for the DHT: a hub that fails over mostly has a successor sooner, and whoever still needs somebody asks again soon. */
  function beyondHubs({ distant }: Wanted): readonly ResolvedProvider[] {
    if (longTail === undefined) return []
    longTail.search(distant as string)
    return longTail.known(distant as string)
  }

  async function ask(want: Wanted, key: string, asked: number, fresh: boolean): Promise<void> {
    const { distant, tool } = want
    interest?.(distant as string)
    try {
      const found = await resolve(distant as string, { signal: life.signal, timeout: RESOLVE_TIMEOUT, ...(tool === undefined ? {} : { tool }), ...(fresh ? { fresh } : {}) })
      const owner = ownerOf(distant as string)
      // Whatever a hub says: what belongs to one node is asked of that node alone.
      const others = found.filter(({ peer }) => peer !== self && (owner === undefined || peer === owner))
      metrics.resolved(others.length > 0 ? 'found' : 'none').inc()
      answered(want, key, asked, others.length > 0 ? others : beyondHubs(want))
    } catch (error) {
      metrics.resolved('failed').inc()
      answered(want, key, asked, life.signal.aborted ? [] : beyondHubs(want))
      logger.debug('nobody says where a distant server is', { server: distant, error: errorMessage(error) })
    }
  }

  /** One question at a time for each server and tool, unless the one under way is too old. Undefined: too many are. */
  function asked(want: Wanted, since: number): Promise<void> | undefined {
    const key = keyOf(want)
    const running = asking.get(key)
    if (running !== undefined && running.asked >= since) return running.done
    if (asking.size >= MAX_ASKING || life.signal.aborted) return undefined
    const now = clock.now()
    // What is known and cannot be used is no use at the hub either.
    const fresh = since > -Infinity || answers.has(key)
    const entry = { asked: now, done: ask(want, key, now, fresh).finally(() => {
      if (asking.get(key) === entry) asking.delete(key)
    }) }
    asking.set(key, entry)
    return entry.done
  }

  function known(want: Wanted, since = -Infinity): readonly string[] {
    if (want.distant === undefined) return []
    const { only, digest } = want
    if (only !== undefined) return reach.path(only) === undefined ? [] : [only]
    const answer = answers.get(keyOf(want))
    if (answer === undefined || answer.asked < since || clock.now() - answer.at > KEPT) return []
    const reached = answer.providers.filter(({ peer }) => reach.path(peer) !== undefined)
    const same = reached.filter((one) => digest === undefined || one.digest === undefined || one.digest === digest)
    // When all have changed it, each says so itself.
    return (same.length > 0 ? same : reached).map(({ peer }) => peer)
  }

  /** Of more than eight replicas the wanted one may not have been told. */
  function remind(peer: string): void {
    const last = providers.get(peer)
    if (last !== undefined && reach.path(peer) === undefined) reach.suggest(peer, last.provider)
  }

  return {
    known,
    async find(want, { within, since }) {
      const ready = known(want, since)
      if (ready.length > 0 || want.distant === undefined) return ready
      const done = asked(want, since ?? -Infinity)
      if (done !== undefined) await atMost(clock, done, within)
      if (want.only !== undefined) remind(want.only)
      return known(want, since)
    },
    provider: (peer) => providers.get(peer)?.provider,
    async again(peer, within) {
      const want = providers.get(peer)?.want
      const done = want === undefined ? undefined : asked(want, clock.now())
      if (done !== undefined) await atMost(clock, done, within)
    },
    forget: (want) => void answers.delete(keyOf(want)),
    called(peer) {
      const addresses = providers.get(peer)?.provider.addresses
      if (addresses !== undefined) links.called(peer, addresses)
    },
    keeps: links.keeps,
    stop: () => life.abort()
  }
}

/** @param wait never rejects */
async function atMost(clock: Clock, wait: Promise<void>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(ms, resolve)
  await Promise.race([wait, late])
  timer.cancel()
}

function put<T>(map: Map<string, T>, max: number, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > max) map.delete(map.keys().next().value as string)
}
