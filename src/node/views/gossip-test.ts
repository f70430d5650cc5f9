import type { Clock } from '../../base/clock.ts'
import { SkeinError, errorMessage, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { Member } from '../../membership/types.ts'
import type { Rpc } from '../../rpc/types.ts'
import { decodeGossipTest, decodeGossipTestReport, encodeGossipTest, encodeGossipTestReport, TEST_ID_BYTES } from '../../wire/gossip-test.ts'
import { gossipTestTopic, METHOD } from '../../wire/protocols.ts'
import type { GossipTestOptions, GossipTestResult, ReachedMember } from './overview.ts'

/** Gossip crosses a mesh within some round trips; whoever needs longer than this has a problem worth seeing, ms. */
const DEFAULT_WITHIN = 2_000
/** One message of this node sets all others to work: this often is enough for a person and too rare to hurt, ms. */
export const TEST_EVERY = 1_000
/** A member that tests more often than this gets no answers, ms: half of what it keeps itself, for messages bunch up on the way. */
export const ANSWER_EVERY = TEST_EVERY / 2
/** Members whose last test is remembered, the oldest is forgotten: not all of a pool test within half a second. */
const MAX_REMEMBERED = 256
/** A report that cannot be delivered by then comes too late for anybody, ms. */
const REPORT_TIMEOUT = 5_000

export interface GossipTestDeps {
  clock: Clock
  random: Random
  logger: Logger
  /** Own peer id. */
  self: string
  federation: string
  pool: string
  network: {
    publish(topic: string, bytes: Uint8Array): Promise<void>
    subscribe(topic: string, listener: (bytes: Uint8Array, from: string, via: string) => void): void
  }
  rpc: Pick<Rpc, 'call' | 'handle'>
  /** All known, this node included. */
  members(): readonly Pick<Member, 'peer' | 'name' | 'state'>[]
  member(peer: string): Pick<Member, 'peer' | 'name' | 'state'> | undefined
}

export interface GossipTest {
  /** @throws SKEIN_BUSY, the signal's reason */
  run(options: GossipTestOptions): Promise<GossipTestResult>
}

interface Running {
  id: string
  /** Monotonic ms. */
  began: number
  reports: Map<string, { via: string; ms: number }>
  onReport(): void
}

/** Finer than this nobody's clock is worth anything over a network. */
function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}

/** The way from `self` to `peer` over those who handed it over; undefined: somebody on it did not say. */
export function pathTo(self: string, peer: string, via: (peer: string) => string | undefined): string[] | undefined {
  const path = [peer]
  for (let at = peer; at !== self; ) {
    const before = via(at)
    // Whoever lies about it could lead in a circle.
    if (before === undefined || path.includes(before)) return undefined
    path.unshift(before)
    at = before
  }
  return path
}

/**
 * A round trip through the gossip mesh (protocols/gossip-test.md): one signed message on a topic of its own, which every member that gets it
 * answers over RPC. Also answers the test messages of other members.
 */
export function createGossipTest(deps: GossipTestDeps): GossipTest {
  const { clock, random, logger, self, federation, pool, network, rpc } = deps
  const topic = gossipTestTopic(federation, pool)
  /** When the last message of a member was answered; oldest first. */
  const answered = new Map<string, number>()
  let running: Running | undefined
  let lastBegan = -Infinity

  network.subscribe(topic, (bytes, from, via) => {
    try {
      const { id, ...scope } = decodeGossipTest(bytes)
      if (scope.federation === federation && scope.pool === pool && mayAnswer(from)) report(from, via, id)
    } catch (error) {
      logger.debug('a test message could not be read', { from, error: errorMessage(error) })
    }
  })

  rpc.handle(METHOD.GOSSIP_TEST, (exchange) => {
    try {
      const { id, via } = decodeGossipTestReport(exchange.body)
      take(exchange.peer, Buffer.from(id).toString('hex'), via)
      exchange.end(new Uint8Array())
    } catch (error) {
      exchange.fail(toSkeinError(error))
    }
  })

  function isMember(peer: string): boolean {
    const state = deps.member(peer)?.state
    return state !== undefined && state !== 'left'
  }

  function mayAnswer(from: string): boolean {
    const now = clock.now()
    if (from === self || !isMember(from) || now - (answered.get(from) ?? -Infinity) < ANSWER_EVERY) return false
    answered.delete(from)
    answered.set(from, now)
    if (answered.size > MAX_REMEMBERED) answered.delete(answered.keys().next().value as string)
    return true
  }

  function report(to: string, via: string, id: Uint8Array): void {
    const body = encodeGossipTestReport({ federation, pool, id, via, at: Math.floor(clock.wall()) })
    rpc.call(to, METHOD.GOSSIP_TEST, body, { timeout: REPORT_TIMEOUT }).catch((error: unknown) => {
      logger.debug('a test message could not be answered', { to, error: errorMessage(error) })
    })
  }

  /** The first report of a member counts; late ones and those about other messages do not. */
  function take(peer: string, id: string, via: string): void {
    if (running === undefined || running.id !== id || running.reports.has(peer) || peer === self || !isMember(peer)) return
    running.reports.set(peer, { via, ms: clock.now() - running.began })
    running.onReport()
  }

  function others() {
    return deps.members().flatMap(({ peer, name, state }) => (peer === self || state === 'left' ? [] : [{ peer, name, state }]))
  }

  /** Dead ones have no connection: nobody waits for them. */
  function isComplete(reports: ReadonlyMap<string, unknown>): boolean {
    return others().every(({ peer, state }) => state === 'dead' || reports.has(peer))
  }

  /** Resolves when everyone has answered or the time is over. */
  function wait(test: Running, within: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const timer = clock.after(within, () => end(resolve))
      const onAbort = () => end(() => reject(signal.reason))
      function end(settle: () => void): void {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        settle()
      }
      test.onReport = () => {
        if (isComplete(test.reports)) end(resolve)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      test.onReport()
    })
  }

  function resultOf(test: Running, sent: number): GossipTestResult {
    const viaOf = (peer: string) => test.reports.get(peer)?.via
    const reached = [...test.reports].map(([peer, { via, ms }]): ReachedMember => {
      const path = pathTo(self, peer, viaOf)
      return { peer, name: deps.member(peer)?.name ?? '', via, ms: rounded(ms), ...(path === undefined ? {} : { path }) }
    })
    const missing = others().filter(({ peer }) => !test.reports.has(peer)).sort((a, b) => (a.name === b.name ? (a.peer < b.peer ? -1 : 1) : a.name < b.name ? -1 : 1))
    return { id: test.id, sent, ms: rounded(clock.now() - test.began), reached, missing }
  }

  return {
    async run({ signal, within = DEFAULT_WITHIN }) {
      signal.throwIfAborted()
      if (running !== undefined || clock.now() - lastBegan < TEST_EVERY) {
        throw new SkeinError('SKEIN_BUSY', 'a test message is under way or was sent less than a second ago: wait a second and try again')
      }
      const id = random.bytes(TEST_ID_BYTES)
      const sent = Math.floor(clock.wall())
      lastBegan = clock.now()
      const test: Running = { id: Buffer.from(id).toString('hex'), began: lastBegan, reports: new Map(), onReport() {} }
      running = test
      try {
        await network.publish(topic, encodeGossipTest({ federation, pool, id }))
        await wait(test, within, signal)
        return resultOf(test, sent)
      } finally {
        running = undefined
      }
    }
  }
}
