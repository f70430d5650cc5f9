import { randomInt } from '../base/random.ts'
import { MAX_INCARNATION, type AliveStatement, type Sealed, type SuspectStatement } from '../wire/swim-types.ts'
import type { Core } from './core.ts'
import { isOfPool, newEntry } from './table.ts'
import type { LocalMember } from './types.ts'

/**
 * For so long after its start, or after the first word of another if that comes later, a member may meet words of an earlier life and rises
 * above them. Later, words of a higher boot come from a second process, ms.
 */
export const JOINING_TIME = 5_000
/** A life that rises above another leaves up to so much room: that one may have said more than was heard, and no two words may have one incarnation. */
const RISE = 1_000
/** Accusations that come faster than this are answered once, ms. */
const REFUTE_EVERY = 100
/** Old accusations go round for a while after they were answered; who brings one is told so at most this often, ms. */
const REMIND_EVERY = 50
/** The accusations of one member make this one doubt itself at most this often, ms: a liar must not slow down everybody's probes. */
const DOUBT_EVERY = 10_000
/** Accusers whose last accusation is remembered. */
const MAX_DOUBTERS = 256

export interface Self {
  /** Begins a life, or after a leave the next one of the same process. */
  start(local: LocalMember, boot: number, above?: number): void
  describe(local: LocalMember): void
  /** A statement about this member: its own of earlier, a copy's, or an accusation. True if it was answered. */
  heard(sealed: Sealed, from: string): boolean
  leave(): void
  /** Somebody of this pool has spoken: with the first one the time of joining begins. */
  met(): void
  /** Still in the time in which words of an earlier life are expected. */
  joining(): boolean
}

/** The only place where this member's incarnation is raised. */
export function createSelf(core: Core): Self {
  const { options, own, table } = core
  const { self, seal } = options
  let local: LocalMember | undefined
  let incarnation = 0
  let boot = 0
  let remindedAt = -Infinity
  const doubtedAt = new Map<string, number>()
  /** Nobody was met in this life. */
  let alone = true

  /** Says it anew, louder than `over`. */
  function speak(over: number): void {
    if (local === undefined) return
    // At the limit nothing louder can be said; no clock and no honest history leads there.
    incarnation = Math.min(Math.max(incarnation, over) + 1, MAX_INCARNATION - 1)
    const { name, version, addresses, credential } = local
    const sealed = seal.seal({ kind: 'alive', subject: self, incarnation, boot, name, version, addresses: [...addresses], credential })
    own.alive = sealed
    const entry = table.get(self) ?? newEntry(self, 'alive', incarnation)
    Object.assign(entry, { state: 'alive', incarnation, alive: sealed, standing: seal.standing(sealed.statement) ?? entry.standing })
    table.add(entry)
    table.changed(entry, core.now)
    core.spread(sealed)
  }

  function heardAlive(sealed: Sealed<AliveStatement>, from: string): boolean {
    const said = sealed.statement
    if (sealed.bytes === own.alive?.bytes) return false
    const newer = said.boot > boot
    if (!newer && said.incarnation < incarnation) return false
    if (said.boot === boot && said.incarnation === incarnation && Buffer.compare(sealed.bytes, own.alive?.bytes ?? new Uint8Array()) === 0) return false
    if (!seal.verify(sealed)) {
      core.count('forged', from)
      return false
    }
    if (newer && !joining()) {
      own.phase = 'superseded'
      core.emit({ type: 'superseded', by: { boot: said.boot, name: said.name, addresses: said.addresses } })
      return true
    }
    if (newer) boot = Math.min(Math.max(said.boot, said.incarnation) + 1 + randomInt(options.random, RISE), MAX_INCARNATION - 2)
    speak(Math.max(said.incarnation, boot - 1))
    return true
  }

  /** It still believes what has been answered: it missed the answer. */
  function remind(peer: string): boolean {
    if (own.alive !== undefined && core.now - remindedAt >= REMIND_EVERY) {
      remindedAt = core.now
      core.send(peer, { kind: 'gossip', updates: [own.alive] })
    }
    return false
  }

  /** To doubt itself: a member says so that has not said so lately. */
  function isReason(accuser: string): boolean {
    const state = table.get(accuser)?.state
    if (state === undefined || state === 'left' || core.now - (doubtedAt.get(accuser) ?? -Infinity) < DOUBT_EVERY) return false
    doubtedAt.delete(accuser)
    doubtedAt.set(accuser, core.now)
    if (doubtedAt.size > MAX_DOUBTERS) doubtedAt.delete(doubtedAt.keys().next().value as string)
    return true
  }

  function heardAccusation({ statement }: Sealed<SuspectStatement>, sealed: Sealed, from: string): boolean {
    if (statement.incarnation < incarnation) return remind(from)
    if (statement.incarnation > incarnation || core.now - own.refutedAt < REFUTE_EVERY) return false
    if (!seal.verify(sealed)) {
      core.count('forged', from)
      return false
    }
    own.refutedAt = core.now
    if (isReason(statement.accuser)) core.health.apply(1)
    core.count('refutation', statement.accuser)
    speak(incarnation)
    // Who brought it is told at once, the others by gossip.
    if (own.alive !== undefined) core.send(from, { kind: 'gossip', updates: [own.alive] })
    return true
  }

  function joining(): boolean {
    return alone || core.now - own.startedAt < JOINING_TIME
  }

  return {
    joining,
    met() {
      if (!alone) return
      alone = false
      own.startedAt = core.now
    },
    start(next, wanted, above = 0) {
      local = next
      boot = Math.min(Math.max(boot, wanted), MAX_INCARNATION - 2)
      alone = core.links.linked().length === 0
      Object.assign(own, { phase: 'running', startedAt: core.now, refutedAt: -Infinity })
      speak(Math.max(boot - 1, above))
    },
    describe(next) {
      const same = local !== undefined && JSON.stringify([local.name, local.version, local.addresses]) === JSON.stringify([next.name, next.version, next.addresses]) &&
        Buffer.compare(local.credential.credential, next.credential.credential) === 0
      if (same || own.phase !== 'running') return
      local = next
      speak(incarnation)
      const entry = table.get(self)
      if (entry !== undefined) core.emit({ type: 'event', event: { type: 'updated', member: entry.view } })
    },
    heard(sealed, from) {
      switch (sealed.statement.kind) {
        case 'alive':
          return heardAlive(sealed as Sealed<AliveStatement>, from)
        case 'leave':
          // Of an earlier life, or of this process before it came back.
          if (sealed.statement.incarnation < incarnation || !seal.verify(sealed)) return false
          speak(sealed.statement.incarnation)
          return true
        default:
          return heardAccusation(sealed as Sealed<SuspectStatement>, sealed, from)
      }
    },
    leave() {
      const sealed = seal.seal({ kind: 'leave', subject: self, incarnation })
      own.phase = 'left'
      own.alive = undefined
      const entry = table.get(self)
      if (entry !== undefined) {
        Object.assign(entry, { state: 'left', ending: sealed })
        table.changed(entry, core.now)
      }
      for (const peer of core.links.linked()) if (isOfPool(table.get(peer))) core.send(peer, { kind: 'gossip', updates: [sealed] })
    }
  }
}
