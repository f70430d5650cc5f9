import { MAX_WITHIN } from '../wire/swim.ts'
import type { Sealed, SwimMessage } from '../wire/swim-types.ts'
import { locate } from './coordinates/locate.ts'
import type { Core } from './core.ts'
import { createProbeSchedule, type ProbeSchedule } from './probe-schedule.ts'
import { isLiving, type Entry } from './table.ts'

/** A relay answers within this share of the time that the prober has left, so that its nack comes before the verdict. */
const RELAY_SHARE = 0.8
/** Probes of others that are on their way through this member. */
const MAX_RELAYS = 1_024
/** Of these for one asker: it probes few members at a time, and must not keep the others from being helped. */
const MAX_RELAYS_EACH = 64
/** Askers to whom news went with an answer; the one that asked longest ago is forgotten. */
const MAX_ASKERS = 1_024
/** Judged probes whose answer may still come, ms. */
const LATE_TIME = 10_000
const MAX_LATE = 1_024

interface Probe {
  nonce: number
  target: string
  /** Of the target when it began: a later one means that it has spoken since. */
  incarnation: number
  sentAt: number
  /** Its answer tells how far the target is: one ping went there directly, and this process has not stood still since. */
  timed: boolean
  /** When others are asked; Infinity once they were. */
  askAt: number
  deadline: number
  /** Relays asked, and of them those that have not answered. */
  asked: Set<string>
  silent: Set<string>
  /** Somebody really asked the target, or there is nobody with a way to it. */
  tried: boolean
}

interface Relay {
  for: string
  nonce: number
  target: string
  deadline: number
}

type Of<K extends SwimMessage['kind']> = Extract<SwimMessage, { kind: K }>

export interface Probes {
  readonly schedule: ProbeSchedule
  /** Probes this member now, unless a probe of it is on its way. `tried`: this node has just knocked in vain. */
  probe(peer: string, tried?: boolean): void
  /** A link is up: a probe on its way there goes directly now as well, for whoever was asked to help may be the one that is gone. */
  linked(peer: string): void
  onPing(message: Of<'ping'>, from: string): void
  onPingReq(message: Of<'ping-req'>, from: string): void
  onAck(message: Of<'ack'>, from: string): void
  onNack(message: Of<'nack'>, from: string): void
  due(): void
  nextDue(): number
  postpone(ms: number): void
  /** This process stood still for a moment: what is on its way then took longer than the way is. */
  held(): void
  readonly pending: number
}

export interface ProbeHooks {
  failed(entry: Entry): void
  /** An answer came after the verdict. */
  late(entry: Entry): void
}

/** SWIM's probes with Lifeguard's nacks: direct, then through others, then the verdict. */
export function createProbes(core: Core, hooks: ProbeHooks): Probes {
  const { options, profile, table, links, health } = core
  const { self, random } = options
  const schedule = createProbeSchedule(random)
  const probes = new Map<number, Probe>()
  const targets = new Set<string>()
  const relays = new Map<number, Relay>()
  const late = new Map<number, { target: string; incarnation: number; until: number }>()
  /** When news last went with an answer to this peer. */
  const answeredAt = new Map<string, number>()
  let nextAt = -Infinity

  /** News with an answer, but not with each: who asks without end would use up all transmissions of them, and nobody else would hear. */
  function newsBack(peer: string): Sealed[] {
    if (core.now - (answeredAt.get(peer) ?? -Infinity) < profile.gossipInterval) return []
    answeredAt.delete(peer)
    answeredAt.set(peer, core.now)
    if (answeredAt.size > MAX_ASKERS) answeredAt.delete(answeredAt.keys().next().value as string)
    return core.carry()
  }

  function relaysFor(peer: string): number {
    let count = 0
    for (const relay of relays.values()) if (relay.for === peer) count++
    return count
  }

  /** Accusations first: whom they concern can object at once. */
  function newsFor(entry: Entry): Sealed[] {
    return core.carry(entry.state === 'suspect' ? [...entry.accusations.values()].slice(0, 3) : [])
  }

  function probe(peer: string, tried = false): void {
    const entry = table.get(peer)
    if (entry === undefined || !isLiving(entry.state) || targets.has(peer) || peer === self) return
    const direct = links.isUp(peer)
    const window = Math.max(profile.probeInterval, profile.probeTimeout * 2)
    const begun: Probe = {
      nonce: core.nonce(), target: peer, incarnation: entry.incarnation, sentAt: core.now, timed: direct,
      askAt: direct ? core.now + health.scale(profile.probeTimeout) : core.now,
      deadline: core.now + health.scale(window), asked: new Set(), silent: new Set(), tried: tried || direct
    }
    probes.set(begun.nonce, begun)
    targets.add(peer)
    if (direct) core.send(peer, { kind: 'ping', nonce: begun.nonce, target: peer, updates: newsFor(entry) })
    else ask(begun)
  }

  function ask(running: Probe): void {
    running.askAt = Infinity
    const able = links.linked().filter((peer) => mayRelay(peer, running))
    for (let index = 0; index < profile.indirectProbes; index++) askOne(running, able)
    // Nobody else is left, as with two members: that there is no way to it from here is all that can be known. With others, it is this
    // one that has lost its links, as after a long stop, and that says nothing about anybody.
    if (running.asked.size === 0 && table.up <= 2) running.tried = true
  }

  /** Linked and believed alive. */
  function mayRelay(peer: string, { target, asked }: Probe): boolean {
    return peer !== target && !asked.has(peer) && table.get(peer)?.state === 'alive'
  }

  function askOne(running: Probe, able: string[]): void {
    const within = Math.min(MAX_WITHIN, Math.floor((running.deadline - core.now) * RELAY_SHARE))
    if (able.length === 0 || within < 1) return
    const peer = able.splice(Math.floor(random.float() * able.length), 1)[0] as string
    running.asked.add(peer)
    running.silent.add(peer)
    core.send(peer, { kind: 'ping-req', nonce: running.nonce, target: running.target, within, updates: core.carry() })
  }

  function end(running: Probe): void {
    probes.delete(running.nonce)
    targets.delete(running.target)
  }

  function judge(running: Probe): void {
    end(running)
    const entry = table.get(running.target)
    // It has spoken since, the matter is settled, or nobody has really asked it.
    if (!running.tried || entry === undefined || !isLiving(entry.state) || entry.incarnation !== running.incarnation) return
    core.count('probe-failed', running.target)
    const missing = [...running.silent].filter((peer) => table.get(peer)?.state === 'alive' && links.isUp(peer)).length
    if (running.asked.size === 0) health.apply(links.isUp(running.target) ? 1 : 0)
    else if (missing > 0) {
      health.apply(missing)
      core.count('nack-missing', running.target, missing)
    }
    late.set(running.nonce, { target: running.target, incarnation: running.incarnation, until: core.now + LATE_TIME })
    if (late.size > MAX_LATE) late.delete(late.keys().next().value as number)
    hooks.failed(entry)
  }

  /** A suspect is told again and again what it is accused of, for as long as it may still object. */
  function remind(): void {
    for (const entry of core.suspects) {
      if (!targets.has(entry.peer) && links.isUp(entry.peer)) core.send(entry.peer, { kind: 'ping', nonce: core.nonce(), target: entry.peer, updates: newsFor(entry) })
    }
  }

  function scheduled(): void {
    if (core.now < nextAt) return
    remind()
    const neighbours = links.neighbours()
    const target = schedule.next((peer) => neighbours.has(peer) && !targets.has(peer))
    if (target !== undefined) probe(target)
    // Nobody to probe, and nobody who is keeping it waiting: no reason to doubt itself.
    else if (probes.size === 0) health.apply(-1)
    nextAt = core.now + health.scale(profile.probeInterval)
  }

  return {
    schedule,
    probe,
    linked(peer) {
      const entry = table.get(peer)
      if (entry === undefined || !targets.has(peer)) return
      for (const running of probes.values()) {
        if (running.target !== peer) continue
        running.timed = false
        core.send(peer, { kind: 'ping', nonce: running.nonce, target: peer, updates: newsFor(entry) })
      }
    },
    onPing(message, from) {
      // Meant for another identity: whoever is asked for is not here.
      if (message.target !== self) return
      core.send(from, { kind: 'ack', nonce: message.nonce, coordinates: core.vivaldi.own, updates: newsBack(from) })
    },
    onPingReq({ nonce, target, within }, from) {
      if (target === self) return core.send(from, { kind: 'ack', nonce, updates: newsBack(from) })
      const entry = table.get(target)
      if (!links.isUp(target) || entry === undefined || relays.size >= MAX_RELAYS || relaysFor(from) >= MAX_RELAYS_EACH) {
        return core.send(from, { kind: 'nack', nonce, tried: false, updates: newsBack(from) })
      }
      const own = core.nonce()
      relays.set(own, { for: from, nonce, target, deadline: core.now + within })
      core.send(target, { kind: 'ping', nonce: own, target, updates: newsFor(entry) })
    },
    onAck({ nonce, coordinates }, from) {
      const relay = relays.get(nonce)
      if (relay !== undefined) {
        if (relay.target !== from) return
        relays.delete(nonce)
        return core.send(relay.for, { kind: 'ack', nonce: relay.nonce, updates: newsBack(relay.for) })
      }
      const running = probes.get(nonce)
      if (running === undefined) {
        const missed = late.get(nonce)
        if (missed === undefined) return
        late.delete(nonce)
        const entry = table.get(missed.target)
        core.count('probe-late', missed.target)
        if (entry !== undefined && entry.incarnation === missed.incarnation) hooks.late(entry)
        return
      }
      // From the target itself, or from one that was asked to ask it.
      const direct = from === running.target
      if (!direct && !running.silent.has(from)) return
      end(running)
      health.apply(-1)
      core.count(direct ? 'probe-ok' : 'probe-indirect', running.target, core.now - running.sentAt)
      if (direct && running.timed && coordinates !== undefined) locate(core, running.target, coordinates, core.now - running.sentAt)
    },
    onNack({ nonce, tried }, from) {
      const running = probes.get(nonce)
      if (running === undefined || !running.silent.delete(from)) return
      if (tried) running.tried = true
      if (tried || running.tried) return
      // That one has no way to it, as when a newcomer is still connecting: somebody else may. If nobody has, nobody can vouch for it.
      const able = links.linked().filter((peer) => mayRelay(peer, running))
      if (able.length > 0) askOne(running, able)
      else if (running.silent.size === 0) running.tried = true
    },
    due() {
      for (const [nonce, relay] of relays) {
        if (relay.deadline > core.now) continue
        relays.delete(nonce)
        core.send(relay.for, { kind: 'nack', nonce: relay.nonce, tried: true, updates: newsBack(relay.for) })
      }
      for (const running of probes.values()) {
        if (running.deadline <= core.now) judge(running)
        else if (running.askAt <= core.now) ask(running)
      }
      for (const [nonce, { until }] of late) {
        if (until > core.now) break
        late.delete(nonce)
      }
      scheduled()
    },
    nextDue() {
      let due = nextAt
      for (const { askAt, deadline } of probes.values()) due = Math.min(due, askAt, deadline)
      for (const { deadline } of relays.values()) due = Math.min(due, deadline)
      return due
    },
    postpone(ms) {
      for (const running of probes.values()) {
        running.askAt += ms
        running.deadline += ms
        running.timed = false
      }
      for (const relay of relays.values()) relay.deadline += ms
    },
    held() {
      for (const running of probes.values()) running.timed = false
    },
    get pending() {
      return probes.size + relays.size
    }
  }
}
