import type { Timer } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import { createListeners } from '../base/listeners.ts'
import { decodeSwimMessageWith, encodeSwimFrame, type DecodedSwim } from '../wire/swim.ts'
import { createPeerKeys } from '../wire/swim-peers.ts'
import { createStatementReader } from '../wire/swim-reader.ts'
import type { Sealed, SwimMessage, SwimScope } from '../wire/swim-types.ts'
import { createBudgets, FAULT } from './budget.ts'
import { createMemberLog } from './log.ts'
import { createMembershipMetrics } from './metrics.ts'
import type { MembershipDeps, SendResult, StatementSeal } from './ports.ts'
import type { MembershipProfile } from './profiles.ts'
import { createRefusals } from './refusals.ts'
import { createSwim, type SwimStats } from './swim.ts'
import type { LocalMember, Member, MemberEvent, SwimEffect, SwimEvent } from './types.ts'

/** A refusal comes within a round trip; whoever is silent for this long is silent, ms. */
export const KNOCK_TIMEOUT = 1_000
/** What was sent at once leaves within this time, ms: then connections may be closed. */
export const LEAVE_FLUSH = 50
/** What waits for a line gets this long, ms; nobody waits longer for a goodbye. */
export const LEAVE_WAIT = 200

export interface MembershipOptions {
  /** Own peer id. */
  self: string
  scope: SwimScope
  profile: MembershipProfile
  /** Up to this many members everybody is connected with everybody. @default 128 */
  fullMesh?: number
}

const UNBELIEVED = {
  forged: 'a signature is wrong',
  stranger: 'a credential does not hold here: it has ended, or is of another federation; if all are refused, look at the clock of this machine'
} as const

type SupersededBy = Extract<SwimEffect, { type: 'superseded' }>['by']

export interface Membership {
  /**
   * Joins, or joins again after `leave`. `boot`: unix ms, higher than that of any earlier start. `above`: an incarnation that this process has used
   * here before, in another machine.
   */
  start(local: LocalMember, boot: number, options?: { above?: number }): void
  /** What this node says about itself changed. Saying the same again costs nothing. */
  update(local: LocalMember): void
  /** The federation has banned this member: it is dead here at once. */
  expel(peer: string): void
  /** Says goodbye; resolves when it has left for the network, at most LEAVE_WAIT later. Idempotent. */
  leave(): Promise<void>
  /** For good: nothing is sent, dialled or told any more. */
  stop(): void
  /** The first admitted connection of a peer is up; may come before `start`. `quiet`: it is hardly of this pool, so it is not asked. */
  linkUp(peer: string, at: LinkPlace): void
  /** Its last one is gone. `expected`: this node closed it. */
  linkDown(peer: string, how: { expected: boolean }): void
  /** A message from a peer, without its length. Never throws. False: it sends so much that its stream should be reset. */
  received(peer: string, message: Uint8Array): boolean
  /** All known, this node included, those that left or died for a while too. */
  members(): Member[]
  member(peer: string): Member | undefined
  /** ms between this node and the member and back, by network coordinates; undefined while too little is known. */
  predicted(peer: string): number | undefined
  stats(): SwimStats
  onEvent(listener: (event: MemberEvent) => void): () => void
  /** A newer process has this node's identity; this one has fallen silent. */
  onSuperseded(listener: (by: SupersededBy) => void): () => void
}

/** Where a link leads, and how it is to be met. */
interface LinkPlace {
  address: string
  dialled: boolean
  quiet?: boolean
}

/** Runs the membership machine of one pool against clock and network. With `deps.shared` it tells people nothing: pools.ts does. */
export function createMembership(deps: MembershipDeps, options: MembershipOptions): Membership {
  const { clock, network, shared } = deps
  const { scope } = options
  const logger = deps.logger.child({ area: 'membership' })
  const { self, profile, fullMesh } = options
  const budgets = shared?.budgets ?? createBudgets()
  /** Whose message is being taken. */
  let speaking: string | undefined
  const swim = createSwim({ self, scope, profile, random: deps.random, seal: checkedSeal(), ...(fullMesh === undefined ? {} : { fullMesh }), ...(shared === undefined ? {} : { vivaldi: shared.vivaldi }) })
  const metrics = shared?.metrics ?? createMembershipMetrics(deps.meter, () => swim.stats())
  const log = shared === undefined ? createMemberLog(logger, (peer) => swim.member(peer)) : undefined
  const peers = shared?.peers ?? createPeerKeys()
  const { refuse, warnOnce } = shared?.refusals ?? createRefusals({ logger, metrics, nameOf: (peer) => swim.member(peer)?.name })
  const statements = createStatementReader(scope, { peers })
  const eventListeners = createListeners<[MemberEvent]>(logger, 'a listener of the membership')
  const supersededListeners = createListeners<[SupersededBy]>(logger, 'a listener of the membership')
  const abort = new AbortController()
  /** Links that came up before the start. */
  const early = new Map<string, LinkPlace>()
  let phase: 'new' | 'running' | 'left' | 'stopped' = 'new'
  let local: LocalMember | undefined
  let timer: Timer | undefined
  let due = Infinity
  let waiting: SwimEffect[] = []
  let busy = false
  /** How the goodbyes went, while they are sent. */
  let goodbyes: SendResult[] | undefined

  function step(event: SwimEvent): void {
    if (phase === 'stopped') return
    waiting.push(...swim.step(event, clock.now()))
    // A listener or the network may cause the next step: its effects come after those of this one.
    if (busy) return
    busy = true
    while (waiting.length > 0) {
      const effects = waiting
      waiting = []
      for (const effect of effects) guarded(effect)
    }
    busy = false
    arm()
  }

  /** Checks no more for a peer than its budget allows: what it brings beyond that counts as forged, or as of a stranger. */
  function checkedSeal(): StatementSeal {
    const { seal } = deps
    return {
      seal: (statement) => seal.seal(statement),
      verify(sealed) {
        if (speaking === undefined) return seal.verify(sealed)
        if (!budgets.trusts(speaking, clock.now())) return false
        const good = seal.verify(sealed)
        budgets.fault(speaking, good ? costOf(sealed, speaking) : FAULT.forged, clock.now())
        return good
      },
      standing(alive) {
        const found = seal.standing(alive)
        if (found === undefined && speaking !== undefined) budgets.fault(speaking, FAULT.other, clock.now())
        return found
      }
    }
  }

  /** Words that their speakers can make without end: those of a member about itself, and goodbyes of invented ones. */
  function costOf({ statement }: Sealed, from: string): number {
    if (statement.kind !== 'alive' && statement.kind !== 'leave') return FAULT.none
    const isInvented = statement.kind === 'leave' && swim.member(statement.subject) === undefined
    return statement.subject === from || isInvented ? FAULT.other : FAULT.none
  }

  function isAffordable(from: string, message: SwimMessage): boolean {
    const named = message.kind === 'digest' ? message.entries.length : message.kind === 'state' ? message.want.length : 0
    if (message.kind !== 'sync' && message.kind !== 'digest' && named === 0) return true
    return budgets.question(from, named, clock.now())
  }

  function guarded(effect: SwimEffect): void {
    try {
      run(effect)
    } catch (error) {
      logger.error('a step of the membership could not be carried out', { step: effect.type, error: errorMessage(error) })
    }
  }

  function arm(): void {
    const next = phase === 'stopped' ? Infinity : swim.nextDue()
    if (next === due) return
    timer?.cancel()
    due = next
    timer = next === Infinity ? undefined : clock.after(Math.max(0, Math.ceil(next - clock.now())), tick)
  }

  /** Late or not, it is passed on as it comes: the machine notices stalls by itself. */
  function tick(): void {
    timer = undefined
    due = Infinity
    step({ type: 'tick' })
  }

  function run(effect: SwimEffect): void {
    // Something before it in the same step may have stopped everything.
    if (phase === 'stopped') return
    switch (effect.type) {
      case 'send': {
        const frame = encodeSwimFrame(scope, effect.message, { peers })
        const result = network.send(effect.to, frame)
        goodbyes?.push(result)
        return metrics.sent(effect.message.kind, result, frame.length)
      }
      case 'knock':
        return void knock(effect.peer, effect.addresses)
      case 'dial':
        return void dial(effect)
      case 'close':
        return network.close(effect.peer)
      case 'event':
        if (effect.event.type === 'failed' && shared === undefined) metrics.failures.inc()
        log?.event(effect.event)
        return eventListeners.tell(effect.event)
      case 'counted':
        if (effect.what === 'forged' || effect.what === 'stranger') warnOnce(effect.peer, effect.what, UNBELIEVED[effect.what])
        return metrics.counted(effect.what, effect.value)
      case 'superseded':
        log?.superseded(effect.by)
        return supersededListeners.tell(effect.by)
    }
  }

  async function knock(peer: string, addresses: readonly string[]): Promise<void> {
    const result = await network.knock(addresses, { timeout: KNOCK_TIMEOUT, signal: abort.signal }).catch(() => 'silent' as const)
    if (phase === 'stopped') return
    metrics.knocked(result)
    step({ type: 'knocked', peer, result })
  }

  async function dial({ peer, addresses, timeout }: Extract<SwimEffect, { type: 'dial' }>): Promise<void> {
    const ok = await network.dial(peer, addresses, { timeout, signal: abort.signal }).then(
      () => true,
      (error: unknown) => {
        logger.debug('a member could not be dialled', { peer, addresses, error: errorMessage(error) })
        return false
      }
    )
    if (phase === 'stopped') return
    metrics.dialled(ok)
    step({ type: 'dialled', peer, ok })
  }

  function decode(from: string, bytes: Uint8Array): DecodedSwim['message'] | undefined {
    try {
      const { message, dropped } = decodeSwimMessageWith(bytes, scope, { statements, peers })
      for (const error of dropped) refuse(from, error, 'unreadable')
      metrics.received(message.kind, bytes.length)
      return message
    } catch (error) {
      refuse(from, error, 'malformed')
      return undefined
    }
  }

  return {
    start(next, boot, { above } = {}) {
      if (phase === 'stopped') return
      const first = phase === 'new'
      phase = 'running'
      local = next
      step({ type: 'start', local: next, boot, ...(above === undefined ? {} : { above }) })
      if (first) for (const [peer, at] of early) step({ type: 'link-up', peer, ...at })
      early.clear()
    },
    update(next) {
      if (phase !== 'running' || (local !== undefined && sameLocal(local, next))) return
      local = next
      step({ type: 'local', local: next })
    },
    expel: (peer) => step({ type: 'expel', peer }),
    async leave() {
      if (phase !== 'running') return
      phase = 'left'
      goodbyes = []
      step({ type: 'leave' })
      const results = goodbyes
      goodbyes = undefined
      if (results.every((result) => result === 'lost')) return
      await new Promise<void>((resolve) => clock.after(results.includes('kept') || results.includes('replaced') ? LEAVE_WAIT : LEAVE_FLUSH, resolve))
    },
    stop() {
      phase = 'stopped'
      timer?.cancel()
      timer = undefined
      waiting = []
      abort.abort(new Error('the node is stopping'))
    },
    linkUp(peer, at) {
      if (phase === 'new') early.set(peer, at)
      else step({ type: 'link-up', peer, ...at })
    },
    linkDown(peer, { expected }) {
      if (phase === 'new') early.delete(peer)
      else step({ type: 'link-down', peer, expected })
    },
    received(peer, bytes) {
      if (phase === 'new' || phase === 'stopped') return true
      const verdict = budgets.message(peer, bytes.length, clock.now())
      if (verdict !== 'read') {
        refuse(peer, undefined, 'flood')
        return verdict === 'drop'
      }
      const message = decode(peer, bytes)
      if (message === undefined) return true
      if (!isAffordable(peer, message)) {
        refuse(peer, undefined, 'flood')
        return true
      }
      try {
        speaking = peer
        step({ type: 'message', from: peer, message })
      } catch (error) {
        // What others send must never end this process, whatever the mistake is.
        logger.error('a message about members could not be taken', { from: peer, kind: message.kind, error: errorMessage(error) })
      } finally {
        speaking = undefined
      }
      return true
    },
    members: () => swim.members(),
    member: (peer) => swim.member(peer),
    predicted: (peer) => swim.predicted(peer),
    stats: () => swim.stats(),
    onEvent: (listener) => eventListeners.add(listener),
    onSuperseded: (listener) => supersededListeners.add(listener)
  }
}

function sameLocal(a: LocalMember, b: LocalMember): boolean {
  const same = (x: Uint8Array, y: Uint8Array) => Buffer.compare(x, y) === 0
  return (
    a.name === b.name && a.version === b.version && a.addresses.join() === b.addresses.join() &&
    same(a.credential.credential, b.credential.credential) && same(a.credential.certificate, b.credential.certificate) && same(a.credential.authority, b.credential.authority)
  )
}
