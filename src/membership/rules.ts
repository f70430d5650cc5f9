import { MAX_INCARNATION, type AliveStatement, type DeadStatement, type Evidence, type LeaveStatement, type Sealed, type SuspectStatement } from '../wire/swim-types.ts'
import type { Core } from './core.ts'
import { FEW_MEMBERS } from './evidence.ts'
import { createSuspicion, suspicionTimes } from './suspicion.ts'
import { isLiving, MAX_MEMBERS, newEntry, type Entry } from './table.ts'
import type { MemberEvent } from './types.ts'

/** Tombstones keep old words of the dead from bringing them back; after a day nobody repeats those any more. */
export const TOMBSTONE_TIME = 24 * 60 * 60_000
/** Accusations of silence kept per suspect; more change nothing. Of refusals there are never more than are wanted. */
const MAX_ACCUSATIONS = 16
/** Goodbyes remembered of members that were never seen here; anybody can invent a key and say goodbye with it. */
const MAX_UNSEEN = 256
/** Distinct members whose connections were refused: then it is dead (fewer when there are not so many observers). */
const REFUSALS_WANTED = 3

export interface Rules {
  /** Applies one statement; `from` handed it over. True if it was news. */
  apply(sealed: Sealed, from: string): boolean
  /** This member's own accusation. */
  accuse(entry: Entry, evidence: Evidence): void
  /** Banned: dead without an accusation. Others are not told, for each knows of the ban by itself. */
  expel(entry: Entry): void
  /** Its own accusation was wrong: back to alive, if nobody else accuses. */
  withdraw(entry: Entry): void
  /** Suspicions that have run out. */
  expire(): void
  /** When the next suspicion runs out or a tombstone goes. */
  nextDue(): number
  postpone(ms: number): void
}

export interface RuleHooks {
  /** A statement about this member itself. */
  aboutSelf(sealed: Sealed, from: string): boolean
  /** This one speaks of an incarnation that is not known here: something was missed. */
  behind(from: string): void
  /** `from` brought the word of it. */
  joined(entry: Entry, from: string): void
  /** It was dead. */
  revived(entry: Entry, from: string): void
  forgotten(peer: string): void
  suspected(entry: Entry): void
}

/** Who may say what, and what it changes: protocols/swim.md, "Statements". */
export function createRules(core: Core, hooks: RuleHooks): Rules {
  const { table, options, profile, suspects } = core
  const { seal, self } = options
  /** Tombstones of members that were never seen here, oldest first. */
  const unseen = new Set<string>()
  let reapAt = Infinity

  function tell(type: MemberEvent['type'], entry: Entry, more: Omit<MemberEvent, 'type' | 'member'> = {}): void {
    core.emit({ type: 'event', event: { type, member: entry.view, ...more } })
  }

  function settle(entry: Entry): void {
    entry.suspicion = undefined
    entry.accusations.clear()
    suspects.delete(entry)
  }

  function update(entry: Entry, recovered = false): void {
    table.changed(entry, core.now)
    core.links.set(entry.peer, { state: entry.state, addresses: entry.alive?.statement.addresses ?? [], recovered }, core.now)
  }

  function forget(entry: Entry): void {
    table.remove(entry.peer)
    unseen.delete(entry.peer)
    core.queue.drop(entry.peer)
    core.links.forget(entry.peer)
    core.evidence.forget(entry.peer)
    hooks.forgotten(entry.peer)
  }

  /** Full: the tombstone that would go first goes now, one of a member that was never seen before all others. False if all are up. */
  function makeRoom(): boolean {
    if (table.size < MAX_MEMBERS) return true
    let oldest = firstUnseen()
    if (oldest !== undefined) {
      forget(oldest)
      return true
    }
    for (const entry of table.entries()) if (!isLiving(entry.state) && (oldest === undefined || entry.forgetAt < oldest.forgetAt)) oldest = entry
    if (oldest !== undefined) forget(oldest)
    return oldest !== undefined
  }

  function firstUnseen(): Entry | undefined {
    const [peer] = unseen
    return peer === undefined ? undefined : table.get(peer)
  }

  function isGenuine(sealed: Sealed, from: string): boolean {
    if (seal.verify(sealed)) return true
    core.count('forged', from)
    return false
  }

  function stale(from: string): false {
    core.count('stale', from)
    return false
  }

  function onAlive(sealed: Sealed<AliveStatement>, from: string): boolean {
    const { statement } = sealed
    const known = table.get(statement.subject)
    if (known !== undefined && statement.incarnation <= known.incarnation) return stale(from)
    // An older process of the same identity counts its own incarnations; the newer process is the member.
    if (known?.alive !== undefined && statement.boot < known.alive.statement.boot) return stale(from)
    if (!isGenuine(sealed, from)) return false
    const standing = seal.standing(statement)
    if (standing === undefined || (known === undefined && !makeRoom())) {
      core.count('stranger', from)
      return false
    }
    const was = known?.state
    const said = known?.alive?.statement
    if (known !== undefined && said !== undefined && statement.boot > said.boot) known.rebootedAt = core.now
    const entry = known ?? newEntry(statement.subject, 'alive', statement.incarnation)
    if (known === undefined) table.add(entry)
    unseen.delete(entry.peer)
    Object.assign(entry, { state: 'alive', incarnation: statement.incarnation, alive: sealed, ending: undefined, proof: [], standing, forgetAt: Infinity })
    settle(entry)
    update(entry, was === 'dead' || was === 'suspect')
    core.spread(sealed)
    if (was === undefined || was === 'left') {
      tell('joined', entry, was === undefined ? {} : { was })
      hooks.joined(entry, from)
    } else if (was === 'alive') {
      if (said !== undefined && !sameContent(said, statement)) tell('updated', entry)
    } else {
      tell('recovered', entry, { was })
      if (was === 'dead') hooks.revived(entry, from)
    }
    return true
  }

  function onLeave(sealed: Sealed<LeaveStatement>, from: string): boolean {
    const { subject, incarnation } = sealed.statement
    const known = table.get(subject)
    if (known !== undefined && (incarnation < known.incarnation || (known.state === 'left' && incarnation === known.incarnation))) return stale(from)
    if (!isGenuine(sealed, from)) return false
    if (known === undefined) return noteUnseen(sealed)
    const was = known.state
    const entry = known
    Object.assign(entry, { state: 'left', incarnation, ending: sealed, proof: [] })
    end(entry)
    if (!unseen.has(subject)) core.spread(sealed)
    if (was !== 'left') tell('left', entry, { was })
    return true
  }

  /**
   * Of one that was never seen here there is nothing to tell: the tombstone only keeps its older words out. No credential stands behind
   * such a goodbye, so few are kept, and who knows its subject passes it on.
   */
  function noteUnseen(sealed: Sealed<LeaveStatement>): boolean {
    const { subject, incarnation } = sealed.statement
    const oldest = unseen.size < MAX_UNSEEN ? undefined : firstUnseen()
    if (oldest !== undefined) forget(oldest)
    if (!makeRoom()) return false
    const entry = newEntry(subject, 'left', incarnation)
    table.add(entry)
    unseen.add(subject)
    entry.ending = sealed
    end(entry)
    return true
  }

  function end(entry: Entry): void {
    entry.forgetAt = core.now + TOMBSTONE_TIME
    reapAt = Math.min(reapAt, entry.forgetAt)
    settle(entry)
    core.evidence.forget(entry.peer)
    update(entry)
  }

  /** A member of whom an accuser may speak: it must know the present incarnation, which only the subject raises. */
  function accused({ subject, incarnation, accuser }: SuspectStatement | DeadStatement, from: string): Entry | undefined {
    const entry = table.get(subject)
    if (entry === undefined || !isLiving(entry.state) || incarnation !== entry.incarnation) {
      if (entry !== undefined && incarnation > entry.incarnation) hooks.behind(from)
      stale(from)
      return undefined
    }
    // Only members accuse: or else one liar could invent as many keys as are wanted. One that is dead here may be back already.
    const by = table.get(accuser)
    if (by !== undefined && by.state !== 'left') return entry
    core.count('stranger', from)
    return undefined
  }

  function suspect(entry: Entry, accuser: string, evidence: Evidence): boolean {
    if (entry.suspicion !== undefined) return entry.suspicion.confirm(accuser)
    entry.suspicion = createSuspicion({ accuser, ...suspicionTimes(profile, table.up), now: core.now })
    entry.state = 'suspect'
    suspects.add(entry)
    update(entry)
    core.count('suspicion', entry.peer)
    tell('suspected', entry, { was: 'alive', by: accuser, evidence })
    // Nobody is left who could confirm: waiting longer brings nothing.
    if (table.counts.alive <= 1) for (const { suspicion } of suspects) suspicion?.shorten()
    hooks.suspected(entry)
    return true
  }

  function onSuspect(sealed: Sealed<SuspectStatement>, from: string): boolean {
    const { statement } = sealed
    const entry = accused(statement, from)
    if (entry === undefined) return false
    const known = entry.accusations.get(statement.accuser)
    if (known !== undefined && (known.statement.evidence === statement.evidence || known.statement.evidence === 'refused')) return stale(from)
    if (known === undefined && entry.accusations.size >= MAX_ACCUSATIONS && statement.evidence === 'silence') return stale(from)
    if (!isGenuine(sealed, from)) return false
    take(entry, sealed)
    return true
  }

  function take(entry: Entry, sealed: Sealed<SuspectStatement>): void {
    const { accuser, evidence } = sealed.statement
    entry.accusations.set(accuser, sealed)
    const counted = suspect(entry, accuser, evidence)
    // Confirmations beyond those that are wanted change nothing, so they are not passed on.
    if (counted || evidence === 'refused') core.spread(sealed)
    if (evidence === 'refused' && refusals(entry).length >= Math.max(1, Math.min(REFUSALS_WANTED, observers()))) die(entry, { by: accuser, evidence: 'refused' })
  }

  function refusals(entry: Entry): Sealed<SuspectStatement>[] {
    return [...entry.accusations.values()].filter(({ statement }) => statement.evidence === 'refused')
  }

  /** Who could have seen the link break: all but the suspect; of two or three members one is enough (it knocked twice). */
  function observers(): number {
    return table.up <= FEW_MEMBERS ? 1 : table.up - 1
  }

  function onDead(sealed: Sealed<DeadStatement>, from: string): boolean {
    const { statement } = sealed
    const entry = accused(statement, from)
    if (entry === undefined) return false
    if (entry.ending !== undefined) return stale(from)
    if (!isGenuine(sealed, from)) return false
    entry.ending = sealed
    suspect(entry, statement.accuser, 'silence')
    entry.suspicion?.shorten()
    core.spread(sealed)
    return true
  }

  function accuserOf({ accusations, ending }: Entry): string {
    const [first] = accusations.keys()
    return first ?? (ending?.statement.kind === 'dead' ? ending.statement.accuser : self)
  }

  function die(entry: Entry, why?: { by: string; evidence: Evidence }): void {
    // Whoever says it first has said it for all.
    const first = entry.ending === undefined
    entry.ending ??= seal.seal({ kind: 'dead', subject: entry.peer, incarnation: entry.incarnation, accuser: self })
    const was = entry.state
    entry.state = 'dead'
    entry.proof = why?.evidence === 'refused' ? refusals(entry) : []
    end(entry)
    // With a proof its parts are on their way already, and convince at once; this word alone would make others wait.
    if (first && why?.evidence === 'silence') core.spread(entry.ending)
    tell('failed', entry, { was, ...why })
  }

  function apply(sealed: Sealed, from: string): boolean {
    const { statement } = sealed
    if (statement.subject === self) return hooks.aboutSelf(sealed, from)
    // What this member says of others it knows already; back from somewhere it is no news.
    if ('accuser' in statement && statement.accuser === self) return false
    if (statement.incarnation >= MAX_INCARNATION) return stale(from)
    switch (statement.kind) {
      case 'alive':
        return onAlive(sealed as Sealed<AliveStatement>, from)
      case 'leave':
        return onLeave(sealed as Sealed<LeaveStatement>, from)
      case 'suspect':
        return onSuspect(sealed as Sealed<SuspectStatement>, from)
      case 'dead':
        return onDead(sealed as Sealed<DeadStatement>, from)
    }
  }

  return {
    apply,
    accuse(entry, evidence) {
      if (!isLiving(entry.state)) return
      const known = entry.accusations.get(self)?.statement.evidence
      if (known === evidence || known === 'refused') return
      take(entry, seal.seal({ kind: 'suspect', subject: entry.peer, incarnation: entry.incarnation, accuser: self, evidence }))
    },
    expel(entry) {
      if (isLiving(entry.state)) die(entry)
    },
    withdraw(entry) {
      if (entry.state !== 'suspect' || entry.accusations.size !== 1 || entry.accusations.get(self)?.statement.evidence !== 'silence' || entry.ending !== undefined) return
      core.queue.drop(entry.peer, self)
      entry.state = 'alive'
      settle(entry)
      update(entry)
      tell('recovered', entry, { was: 'suspect' })
    },
    expire() {
      for (const entry of suspects) {
        if (entry.suspicion !== undefined && entry.suspicion.deadline <= core.now) die(entry, { by: accuserOf(entry), evidence: 'silence' })
      }
      if (core.now < reapAt) return
      reapAt = Infinity
      for (const entry of table.entries()) {
        if (entry.forgetAt <= core.now) forget(entry)
        else reapAt = Math.min(reapAt, entry.forgetAt)
      }
    },
    nextDue() {
      let due = reapAt
      for (const { suspicion } of suspects) if (suspicion !== undefined && suspicion.deadline < due) due = suspicion.deadline
      return due
    },
    postpone(ms) {
      for (const { suspicion } of suspects) suspicion?.postpone(ms)
    }
  }
}

/** Everything but the count of its incarnations. */
function sameContent(a: AliveStatement, b: AliveStatement): boolean {
  return (
    a.boot === b.boot && a.name === b.name && a.version === b.version && a.addresses.join() === b.addresses.join() &&
    Buffer.compare(a.credential.credential, b.credential.credential) === 0
  )
}

