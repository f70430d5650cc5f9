import type { Clock } from '../../base/clock.ts'
import { METHOD } from '../../wire/protocols.ts'
import { MAX_RELAYS, decodeWayAnswer, decodeWayQuestion, encodeWayAnswer, encodeWayQuestion } from '../../wire/relay.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Rpc, ServerExchange } from '../types.ts'
import type { RelayWay } from './target.ts'
import type { ReachPath } from './types.ts'

/** A sign of life that is so young needs no new one, ms: several members ask at the same time when a link is cut. */
export const FRESH = 300
/** How long a node that is asked waits for a sign of life, ms: longer than anything but a peer that stands still takes. */
export const SIGN_WITHIN = 1_000
/** For the answer, ms: the wait for the sign, and as much for a question that is passed on. */
export const ASK_TIMEOUT = 2_000

export interface AskDeps {
  self: string
  clock: Clock
  rpc: Pick<Rpc, 'call' | 'session'>
}

/** Asks one linked member for a way. Rejects when there is none, with whatever the asked one says. */
export async function askForWay({ self, rpc }: AskDeps, asked: string, target: string, fresh: number, visited: readonly string[]): Promise<RelayWay & { age: number }> {
  const { body } = await rpc.call(asked, METHOD.REACH, encodeWayQuestion({ target, fresh, visited }), { timeout: ASK_TIMEOUT })
  const { rtt, age, via } = decodeWayAnswer(body)
  const relays = [asked, ...via]
  const isLoop = new Set([self, target, ...relays]).size < relays.length + 2
  if (isLoop || relays.length > MAX_RELAYS) throw new SkeinError('SKEIN_HOPS', 'the way that a node offered is a loop or too long')
  // It may not be what was asked for; then it proves nothing.
  if (age > fresh) throw new SkeinError('SKEIN_UNDELIVERED', 'the sign of life that a node offered is too old')
  return { kind: 'relayed', via: relays, rtt: rtt + (rpc.session(asked)?.rtt ?? 0), age }
}

export interface AnswerDeps extends AskDeps {
  rpc: Pick<Rpc, 'call' | 'session' | 'check' | 'handle'>
  path(peer: string): ReachPath | undefined
}

/** Serves METHOD.REACH: whether this node could pass exchanges on to another, over its session or its own relays. */
export function answerReach(deps: AnswerDeps): void {
  const { self, rpc } = deps

  async function answer(exchange: ServerExchange): Promise<Uint8Array> {
    const { target, fresh, visited } = decodeWayQuestion(exchange.body)
    const before = [...visited, exchange.peer]
    if (target === self || before.includes(target) || before.includes(self)) throw new SkeinError('SKEIN_BAD_REQUEST', 'nobody asks for a way to itself, or in a circle')
    const sign = await rpc.check(target, { fresh, within: SIGN_WITHIN })
    // A sign that came just now may be older than what was asked for on paper only: it was waited for.
    if (sign !== undefined) return encodeWayAnswer({ rtt: sign.rtt, age: Math.min(sign.age, fresh), via: [] })
    const way = deps.path(target)
    const [first] = way?.via ?? []
    if (first === undefined || before.includes(first) || before.length >= MAX_RELAYS) throw new SkeinError('SKEIN_UNDELIVERED', `no way to ${target} is known here: ask another`)
    const further = await askForWay(deps, first, target, fresh, before)
    if (further.via.some((relay) => before.includes(relay))) throw new SkeinError('SKEIN_HOPS', 'the way known here leads back')
    return encodeWayAnswer(further)
  }

  rpc.handle(METHOD.REACH, (exchange) => {
    answer(exchange).then(
      (body) => exchange.end(body),
      (error: unknown) => exchange.fail(toSkeinError(error))
    )
  })
}
