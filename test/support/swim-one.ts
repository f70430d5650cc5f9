import { seededRandom } from '../../src/base/random.ts'
import type { StatementSeal } from '../../src/membership/ports.ts'
import { PROFILES, type MembershipProfile } from '../../src/membership/profiles.ts'
import { createSwim, type Swim } from '../../src/membership/swim.ts'
import type { Counted, KnockResult, LocalMember, SwimEffect, SwimEvent } from '../../src/membership/types.ts'
import type { AliveStatement, DeadStatement, Evidence, LeaveStatement, Sealed, Statement, SuspectStatement, SwimMessage, SwimMessageKind } from '../../src/wire/swim-types.ts'

export const SELF = 'self'
/** What the machine under test starts with, so its incarnation too. */
export const BOOT = 1_000
const CREDENTIAL = { authority: new Uint8Array([1]), certificate: new Uint8Array(), credential: new Uint8Array([1]) }
const STRANGER = { ...CREDENTIAL, authority: new Uint8Array() }
export const LOCAL: LocalMember = { name: 'self', version: '1.0.0', addresses: ['/ip4/127.0.0.1/tcp/4000'], credential: CREDENTIAL }

/** The signed bytes are the text of the statement: whatever else stands there was signed by nobody. */
function sealOf<S extends Statement>(statement: S): Sealed<S> {
  return { statement, bytes: Buffer.from(JSON.stringify(statement)) }
}

export const fakeSeal: StatementSeal = {
  seal: sealOf,
  verify: ({ statement, bytes }) => Buffer.from(bytes).toString() === JSON.stringify(statement),
  standing: ({ credential }) => (credential.authority.length === 0 ? undefined : { tier: 'edge', region: 'here' })
}

export function alive(subject: string, incarnation = 1, more: Partial<AliveStatement> = {}): Sealed<AliveStatement> {
  const addresses = [`/dns4/${subject}/tcp/4001`]
  return sealOf({ kind: 'alive', subject, incarnation, boot: 1, name: subject, version: '1.0.0', addresses, credential: CREDENTIAL, ...more })
}

export function leave(subject: string, incarnation = 1): Sealed<LeaveStatement> {
  return sealOf({ kind: 'leave', subject, incarnation })
}

export function suspect(subject: string, accuser: string, incarnation = 1, evidence: Evidence = 'silence'): Sealed<SuspectStatement> {
  return sealOf({ kind: 'suspect', subject, incarnation, accuser, evidence })
}

export function dead(subject: string, accuser: string, incarnation = 1): Sealed<DeadStatement> {
  return sealOf({ kind: 'dead', subject, incarnation, accuser })
}

/** Signed by somebody else than it says. */
export function forged<S extends Statement>(sealed: Sealed<S>): Sealed<S> {
  return { statement: sealed.statement, bytes: Buffer.from('signed by another') }
}

/** Says it is a member, but its credential does not hold. */
export function stranger(subject: string): Sealed<AliveStatement> {
  return alive(subject, 1, { credential: STRANGER })
}

/** How the world around the machine answers it. */
export interface PeerManners {
  /** To a ping. */
  answers: boolean
  /** To a ping-req: an ack two hops later, a nack when `within` is over, a nack at once as it has no link to the target, or nothing. */
  relays: 'ack' | 'nack' | 'no way' | 'none'
  /** To a bare connect. */
  knock: KnockResult
  /** To a dial: none within its time, or a refusal at once. */
  dial: 'silent' | 'refused'
}

export interface Logged {
  at: number
  effect: SwimEffect
}

export interface One {
  readonly swim: Swim
  readonly now: number
  /** Everything since `clear`. */
  readonly log: Logged[]
  clear(): void
  step(event: SwimEvent): SwimEffect[]
  /** A gossip message with these updates. */
  hear(from: string, ...updates: Sealed[]): SwimEffect[]
  message(from: string, message: SwimMessage): SwimEffect[]
  link(peer: string): void
  /** Links these and hears that they are alive at incarnation 1, then waits until nothing is left to pass on. */
  join(...peers: string[]): void
  /** Virtual time: ticks exactly when they are due, and the answers of the others. */
  run(ms: number): void
  /** The event loop stands still for so long: no tick, and what comes meanwhile is read afterwards. */
  stall(ms: number): void
  /** Runs until the machine sends such a message; throws after 60 s. */
  until<K extends SwimMessageKind>(kind: K, to: string): { at: number; message: Extract<SwimMessage, { kind: K }> }
  manners(peer: string, manners: Partial<PeerManners>): void
  /** Events as `suspected a`. */
  told(): string[]
  /** Times a counter moved. */
  counted(what: Counted): number
  /**
   * Transmissions of each piece of news, as `alive a 1` or `suspect a 1 by b`: what goes with pings and gossip, not what a comparison of lists brings.
   * Suspicions told to the suspect itself are not counted: it is told of its own accord whenever it is met.
   */
  passedOn(): Record<string, number>
  sent<K extends SwimMessageKind>(kind: K, to?: string): { at: number; to: string; message: Extract<SwimMessage, { kind: K }> }[]
}

/** Answers arrive so many ms after the question. */
export const ROUND_TRIP = 10
const MANNERS: PeerManners = { answers: true, relays: 'ack', knock: 'silent', dial: 'silent' }

function textOf({ statement: { kind, subject, incarnation, ...more } }: Sealed): string {
  return `${kind} ${subject} ${incarnation}${'accuser' in more ? ` by ${more.accuser}` : ''}`
}

/** One machine among peers that answer as they are told, in virtual time. */
export function createOne(o: { profile?: MembershipProfile; seed?: number; boot?: number; roundTrip?: number } = {}): One {
  const random = seededRandom(o.seed ?? 1)
  const swim = createSwim({ self: SELF, scope: { federation: 'f', pool: 'p' }, profile: o.profile ?? PROFILES.lan, random, seal: fakeSeal })
  const roundTrip = o.roundTrip ?? ROUND_TRIP
  const manners = new Map<string, PeerManners>()
  let now = 0
  let log: Logged[] = []
  let coming: { at: number; event: SwimEvent }[] = []

  const mannersOf = (peer: string) => manners.get(peer) ?? MANNERS
  const later = (after: number, event: SwimEvent) => void coming.push({ at: now + after, event })
  const answer = (after: number, from: string, message: SwimMessage) => later(after, { type: 'message', from, message })

  function react(effect: SwimEffect): void {
    if (effect.type === 'dial') later(mannersOf(effect.peer).dial === 'refused' ? roundTrip : effect.timeout, { type: 'dialled', peer: effect.peer, ok: false })
    if (effect.type === 'knock') later(roundTrip, { type: 'knocked', peer: effect.peer, result: mannersOf(effect.peer).knock })
    if (effect.type === 'close') later(0, { type: 'link-down', peer: effect.peer, expected: true })
    if (effect.type !== 'send') return
    const { to, message } = effect
    const { answers, relays } = mannersOf(to)
    if (message.kind === 'sync') answer(roundTrip, to, { kind: 'same', nonce: message.nonce, updates: [] })
    if (message.kind === 'ping' && answers) answer(roundTrip, to, { kind: 'ack', nonce: message.nonce, updates: [] })
    if (message.kind === 'ping-req' && relays === 'ack') answer(2 * roundTrip, to, { kind: 'ack', nonce: message.nonce, updates: [] })
    if (message.kind === 'ping-req' && relays === 'nack') answer(message.within + roundTrip, to, { kind: 'nack', nonce: message.nonce, tried: true, updates: [] })
    if (message.kind === 'ping-req' && relays === 'no way') answer(roundTrip, to, { kind: 'nack', nonce: message.nonce, tried: false, updates: [] })
  }

  function step(event: SwimEvent): SwimEffect[] {
    const effects = swim.step(event, now)
    for (const effect of effects) {
      log.push({ at: now, effect })
      react(effect)
    }
    return effects
  }

  /** The next thing to happen until `end`; false if there is none. */
  function once(end: number): boolean {
    const next = coming.toSorted((a, b) => a.at - b.at)[0]
    const due = swim.nextDue()
    if (Math.min(next?.at ?? Infinity, due) > end) return false
    if (next !== undefined && next.at <= due) {
      coming = coming.filter((other) => other !== next)
      now = Math.max(now, next.at)
      step(next.event)
      return true
    }
    now = Math.max(now, due)
    step({ type: 'tick' })
    if (swim.nextDue() <= due) throw new Error(`after a tick at ${now} the next was still due at ${swim.nextDue()}`)
    return true
  }

  function run(ms: number): void {
    const end = now + ms
    while (once(end));
    now = end
  }

  const one: One = {
    swim,
    get now() {
      return now
    },
    get log() {
      return log
    },
    clear() {
      log = []
    },
    step,
    hear: (from, ...updates) => step({ type: 'message', from, message: { kind: 'gossip', updates } }),
    message: (from, message) => step({ type: 'message', from, message }),
    link: (peer) => void step({ type: 'link-up', peer, address: `/dns4/${peer}/tcp/4001`, dialled: true }),
    join(...peers) {
      for (const peer of peers) {
        one.link(peer)
        one.hear(peer, alive(peer))
      }
      // Half an interval more, so that no probe is on its way.
      run(10_500)
      log = []
    },
    run,
    stall(ms) {
      now += ms
      step({ type: 'tick' })
    },
    until(kind, to) {
      const end = now + 60_000
      for (;;) {
        const from = log.length
        if (!once(end)) throw new Error(`no ${kind} to ${to} within 60 s`)
        const found = log.slice(from).find(({ effect }) => effect.type === 'send' && effect.to === to && effect.message.kind === kind)
        if (found !== undefined) return { at: found.at, message: (found.effect as Extract<SwimEffect, { type: 'send' }>).message as never }
      }
    },
    manners: (peer, more) => void manners.set(peer, { ...mannersOf(peer), ...more }),
    told: () => log.flatMap(({ effect }) => (effect.type === 'event' ? [`${effect.event.type} ${effect.event.member.peer}`] : [])),
    counted: (what) => log.filter(({ effect }) => effect.type === 'counted' && effect.what === what).length,
    passedOn() {
      const count: Record<string, number> = {}
      for (const { effect } of log) {
        if (effect.type !== 'send' || ['sync', 'digest', 'state'].includes(effect.message.kind)) continue
        for (const sealed of effect.message.updates) {
          if (sealed.statement.kind !== 'suspect' || sealed.statement.subject !== effect.to) count[textOf(sealed)] = (count[textOf(sealed)] ?? 0) + 1
        }
      }
      return count
    },
    sent: (kind, to) =>
      log.flatMap(({ at, effect }) => {
        if (effect.type !== 'send' || effect.message.kind !== kind || (to !== undefined && effect.to !== to)) return []
        return [{ at, to: effect.to, message: effect.message as never }]
      })
  }
  step({ type: 'start', local: LOCAL, boot: o.boot ?? BOOT })
  return one
}
