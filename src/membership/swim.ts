import { createHash } from 'node:crypto'
import { randomInt, seededRandom } from '../base/random.ts'
import { MAX_UPDATES, MAX_UPDATES_BYTES } from '../wire/swim.ts'
import type { Sealed, SwimMessage } from '../wire/swim-types.ts'
import { createBroadcastQueue } from './broadcast-queue.ts'
import { predicted } from './coordinates/locate.ts'
import { createVivaldi } from './coordinates/vivaldi.ts'
import type { Core, SealedOf, SwimOptions } from './core.ts'
import { createEvidence } from './evidence.ts'
import { createGossip } from './gossip.ts'
import { createHealth } from './health.ts'
import { createLinks } from './links.ts'
import { createLosses } from './losses.ts'
import { createProbes } from './probes.ts'
import { createRules } from './rules.ts'
import { createSelf } from './self.ts'
import { retransmitLimit } from './suspicion.ts'
import { createSync } from './sync.ts'
import { createTable, endingOf, isLiving, isOfPool, type Entry } from './table.ts'
import type { Member, MemberState, SwimEffect, SwimEvent } from './types.ts'

export type { SwimOptions } from './core.ts'

export interface SwimStats {
  /** 0 is well; timeouts are stretched by this + 1. */
  health: number
  queued: number
  queuedBytes: number
  suspicions: number
  members: Readonly<Record<MemberState, number>>
  links: number
  /** Probes and relayed probes on their way. */
  probes: number
  /** How wrong it finds its network coordinates, a share of round trips, 0 to 1.5. */
  coordinateError: number
}

export interface Swim {
  /** @param now on a monotonic clock, ms */
  step(event: SwimEvent, now: number): SwimEffect[]
  /** When the next `tick` is due; Infinity when nothing is. */
  nextDue(): number
  /** All that are known, this one included; dead and left ones until they are forgotten. */
  members(): Member[]
  member(peer: string): Member | undefined
  /** The round trip to a living member by network coordinates, ms; undefined while too little is known. Only as true as what it says of itself. */
  predicted(peer: string): number | undefined
  stats(): SwimStats
}

const FULL_MESH = 128
/** Pieces of news that wait: two for each of the members that there may be; each has one word of its own, and accusers one each. */
const MAX_QUEUE = 8_192
/** A tick this late means that the event loop stood still: what was due is not judged, ms. */
const STALL = 250
/** A step this late does not move deadlines, but round trips measured meanwhile do not count, ms: several in a site. */
const LATE = 20
/** A stall this long weighs double, ms. */
const LONG_STALL = 2_000
/** A suspect, or a dead one that speaks, is told so at most this often, ms. */
const TELL_EVERY = 200
/** A process that was replaced speaks again within this time, or with its first words later, ms. */
const REBOOT_TIME = 60_000
/** One that leaves and joins all the time is announced to all at once this often at most, ms; gossip passes it on anyway. */
const ANNOUNCE_EVERY = 10_000

/**
 * The membership of one pool as a pure machine: SWIM (Das, Gupta, Motivala 2002) with Lifeguard's local health, nacks and
 * suspicion (Dadgar, Phillips, Currey 2017), signed statements, and broken connections as evidence (protocols/swim.md).
 */
export function createSwim(options: SwimOptions): Swim {
  const { self, profile, random } = options
  const table = createTable()
  const core: Core = {
    options, profile, table, suspects: new Set(),
    queue: createBroadcastQueue({ limit: () => retransmitLimit(profile.retransmitMult, table.up), maxItems: MAX_QUEUE }),
    health: createHealth({ max: profile.healthMax }),
    links: createLinks({ self, random, fullMesh: options.fullMesh ?? FULL_MESH }),
    evidence: createEvidence(),
    // Of its own chance, which need not be secret: directions only have to differ from member to member.
    vivaldi: options.vivaldi ?? createVivaldi(seededRandom(createHash('sha256').update(self).digest().readUInt32BE())),
    own: { phase: 'idle', alive: undefined, startedAt: -Infinity, refutedAt: -Infinity },
    now: 0,
    effects: [],
    emit: (effect) => void core.effects.push(effect),
    send(to, message) {
      if (core.links.isUp(to)) core.emit({ type: 'send', to, message })
    },
    spread(sealed) {
      if (!core.queue.put(sealed)) core.count('queue-dropped')
      gossip.wake()
    },
    carry(first = []) {
      const used = first.reduce((sum, { bytes }) => sum + bytes.length, 0)
      const rest = core.queue.depth === 0 ? [] : core.queue.take(MAX_UPDATES_BYTES - used, MAX_UPDATES - first.length)
      return first.length === 0 ? rest : [...first, ...rest.filter((sealed) => !first.includes(sealed))]
    },
    count: (what, peer, value) => core.emit({ type: 'counted', what, ...(peer === undefined ? {} : { peer }), ...(value === undefined ? {} : { value }) }),
    nonce: () => randomInt(random, 2 ** 32)
  }
  const { links, evidence, health, own } = core
  const gossip = createGossip(core)
  const sync = createSync(core)
  const me = createSelf(core)
  const rules = createRules(core, {
    aboutSelf: (sealed, from) => me.heard(sealed, from),
    behind: (from) => sync.introduce(from),
    joined(entry, from) {
      sync.soon()
      welcome(entry, from)
    },
    revived(entry, from) {
      // After a partition few links lead across, and all objections of its side have to pass.
      if (links.isUp(entry.peer)) sync.bridge(entry.peer)
      else sync.soon()
      welcome(entry, from)
    },
    forgotten(peer) {
      probes.schedule.remove(peer)
      losses.forget(peer)
    },
    // Another pair of eyes within a second, and a chance for the suspect to object.
    suspected({ peer, accusations }) {
      if (links.isUp(peer)) probes.probe(peer)
      // Others have the whole proof within half a second; should a part of it be lost, somebody is asked.
      for (const { statement } of accusations.values()) if (statement.evidence === 'refused') sync.soon()
    }
  })
  const probes = createProbes(core, {
    failed: (entry) => rules.accuse(entry, 'silence'),
    late(entry) {
      rules.withdraw(entry)
      if (entry.state === 'suspect') tellAccused(entry)
    }
  })
  const losses = createLosses(core, { probes, rules })
  let expected = Infinity
  /** Nothing is judged between a leave and the next start. */
  let leftAt = Infinity

  function welcome(entry: Entry, from: string): void {
    probes.schedule.add(entry.peer)
    // First-hand: it may know nobody but this one, and in a storm of joins nor may the others.
    if (entry.peer !== from || entry.alive === undefined || core.now - entry.announcedAt < ANNOUNCE_EVERY) return
    entry.announcedAt = core.now
    tellAll(entry.alive, from)
  }

  function tellAll(sealed: Sealed, but: string): void {
    for (const peer of links.linked()) if (peer !== but && isOfPool(table.get(peer))) core.send(peer, { kind: 'gossip', updates: [sealed] })
  }

  /** It speaks, so it can object; and only its objection counts. */
  function tellAccused(entry: Entry): void {
    if (core.now - entry.toldAt < TELL_EVERY) return
    // A dead one gets its own last word too: that proves how high it has to rise, should it have lost all memory.
    const updates: Sealed[] = entry.state === 'suspect' ? [...entry.accusations.values()].slice(0, 3) : endingOf(entry)
    if (entry.state === 'suspect' && entry.ending !== undefined) updates.push(entry.ending)
    if (updates.length === 0) return
    entry.toldAt = core.now
    core.send(entry.peer, { kind: 'gossip', updates })
  }

  /** Two processes with one identity: the older one learns of the newer by its own words. */
  function tellNewer(entry: Entry, { statement }: SealedOf<'alive'>): void {
    if (entry.alive !== undefined && statement.boot < entry.alive.statement.boot) core.send(entry.peer, { kind: 'gossip', updates: [entry.alive] })
  }

  /**
   * For a minute after a newer process of a peer was met, whoever speaks in its name is told of it: perhaps it is the older one. Each ping counts, however
   * lately anybody was told: both ping in the same rhythm, and the newer one, a moment ahead, would use up what is meant for the older.
   */
  function tellRebooted(entry: Entry, word: SwimMessage['kind']): void {
    if (core.now > entry.rebootedAt + REBOOT_TIME || (word !== 'ping' && core.now - entry.toldAt < TELL_EVERY) || entry.alive === undefined) return
    entry.toldAt = core.now
    core.send(entry.peer, { kind: 'gossip', updates: [entry.alive] })
  }

  function onMessage(message: SwimMessage, from: string): void {
    me.met()
    sync.heard(from)
    const endings: Sealed[] = []
    // Who tells of an end repeats the last word before it; answered with the same, that would go on for ever.
    const ended = new Set(message.updates.flatMap(({ statement: { kind, subject } }) => (kind === 'dead' || kind === 'leave' ? [subject] : [])))
    for (const sealed of message.updates) {
      if (rules.apply(sealed, from)) continue
      // Somebody still believes in one who has gone.
      const entry = sealed.statement.kind === 'alive' ? table.get(sealed.statement.subject) : undefined
      if (entry?.peer === from) tellNewer(entry, sealed as SealedOf<'alive'>)
      if (entry !== undefined && !isLiving(entry.state) && entry.peer !== from && !ended.has(entry.peer)) endings.push(...endingOf(entry))
      // Two processes have given two contents to one incarnation: its subject is told of the other and says it anew.
      const other = entry?.peer === from && isLiving(entry.state) && entry.incarnation === sealed.statement.incarnation ? entry.alive : undefined
      if (other !== undefined && other.bytes !== sealed.bytes && Buffer.compare(other.bytes, sealed.bytes) !== 0) core.send(from, { kind: 'gossip', updates: [other] })
    }
    if (own.phase !== 'running') return
    const sender = table.get(from)
    // A link without a word: it was not introduced, or its word was lost.
    if (sender === undefined) sync.introduce(from)
    else if (sender.state !== 'alive') tellAccused(sender)
    else tellRebooted(sender, message.kind)
    if (endings.length > 0 && message.kind === 'state') sync.send(from, message.nonce, endings)
    switch (message.kind) {
      case 'ping':
        return probes.onPing(message, from)
      case 'ack':
        return probes.onAck(message, from)
      case 'ping-req':
        return probes.onPingReq(message, from)
      case 'nack':
        return probes.onNack(message, from)
      case 'sync':
        return sync.onSync(message, from)
      case 'digest':
        return sync.onDigest(message, from)
      case 'state':
        return sync.onState(message, from)
      case 'same':
        return sync.onSame(from)
      case 'gossip':
    }
  }

  function onLinkUp(peer: string, quiet: boolean): void {
    const entry = table.get(peer)
    gossip.wake()
    probes.linked(peer)
    if (entry === undefined || !isLiving(entry.state)) {
      if (!quiet) sync.with(peer)
    } else if (me.joining()) sync.soon()
    if (entry?.state === 'suspect') tellAccused(entry)
    // It may live on in another pool: being named, it says that it has left this one.
    else if (entry?.state === 'dead') core.send(peer, { kind: 'gossip', updates: endingOf(entry) })
  }

  function shift(ms: number): void {
    probes.postpone(ms)
    rules.postpone(ms)
    links.postpone(ms)
  }

  /** The loop stood still. Answers that came meanwhile are read after this step, so deadlines get a little more than the gap. */
  function noticeStall(): void {
    const gap = core.now - expected
    if (gap > LATE) probes.held()
    if (!(gap > STALL)) return
    shift(gap + profile.probeTimeout)
    health.apply(gap >= LONG_STALL ? 2 : 1)
    core.count('stall', undefined, gap)
  }

  function due(): void {
    probes.due()
    // After the probes: a verdict there may confirm a suspicion whose shortest time is over. Left for the next step, it would look like a stall.
    rules.expire()
    sync.due()
    core.effects.push(...links.due(core.now, health.score + 1), ...evidence.due(core.now))
    gossip.due()
  }

  function handle(event: SwimEvent): void {
    switch (event.type) {
      case 'start':
        if (core.now > leftAt) shift(core.now - leftAt)
        leftAt = Infinity
        me.start(event.local, event.boot, event.above)
        sync.start()
        for (const peer of links.linked()) sync.with(peer)
        return
      case 'link-up':
        links.up(event.peer, event, core.now)
        losses.linked(event.peer)
        if (own.phase === 'running') onLinkUp(event.peer, event.quiet === true)
        return
      case 'link-down':
        links.down(event.peer, core.now)
        sync.heard(event.peer)
        if (own.phase === 'running' && !event.expected) losses.lost(event.peer)
        return
      default:
        if (own.phase !== 'running') return
    }
    switch (event.type) {
      case 'message':
        return onMessage(event.message, event.from)
      case 'knocked':
        return losses.knocked(event.peer, event.result)
      case 'dialled':
        links.dialled(event.peer, event.ok, core.now)
        if (!event.ok) losses.dialFailed(event.peer)
        return
      case 'local':
        return me.describe(event.local)
      case 'expel': {
        const entry = table.get(event.peer)
        return entry === undefined || event.peer === self ? undefined : rules.expel(entry)
      }
      case 'leave':
        leftAt = core.now
        return me.leave()
      case 'tick':
    }
  }

  function nextDue(): number {
    if (own.phase !== 'running') return Infinity
    return Math.min(probes.nextDue(), rules.nextDue(), sync.nextDue(), gossip.nextDue(), links.nextDue(), evidence.nextDue())
  }

  return {
    step(event, now) {
      core.now = now
      core.effects = []
      if (own.phase === 'running') noticeStall()
      handle(event)
      if (own.phase === 'running') due()
      expected = nextDue()
      return core.effects
    },
    nextDue,
    members: () => [...table.entries()].map(({ view }) => view),
    member: (peer) => table.get(peer)?.view,
    predicted: (peer) => (peer === self ? undefined : predicted(core, peer)),
    stats: () => ({
      health: health.score, queued: core.queue.depth, queuedBytes: core.queue.bytes, suspicions: table.counts.suspect,
      members: table.counts, links: links.linked().length, probes: probes.pending,
      coordinateError: core.vivaldi.own.error
    })
  }
}
