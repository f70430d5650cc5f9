import type { Random } from '../../../src/base/random.ts'
import type { Acceptor } from '../../../src/federation/quorum/acceptor.ts'
import type { GroupEffect, GroupEvent, GroupMachine, GroupOptions, Outcome, Wanted } from '../../../src/federation/quorum/events.ts'
import type { QuorumRules } from '../../../src/federation/quorum/rules.ts'
import type { Tier } from '../../../src/wire/admission-documents.ts'
import type { Paths } from '../../support/swim-paths.ts'
import type { Disk } from './disk.ts'

/** A machine in the rack. Its disk outlives its processes. */
export interface Host {
  readonly index: number
  readonly peer: string
  readonly disk: Disk
  /** How fast its monotonic clock runs against true time. */
  readonly rate: number
  /** The next write fails, and nothing of it is there; `unsure`: or all of it. */
  full: false | 'sure' | 'unsure'
  process: Process | undefined
}

/** One life of a node. */
export interface Process {
  readonly id: number
  readonly host: Host
  readonly peer: string
  readonly machine: GroupMachine
  readonly startedAt: number
  readonly offset: number
  ended: boolean
  paused: boolean
  /** A write is on its way to the disk: nothing else happens meanwhile. */
  writing: boolean
  /** The write was done while it was stopped: what follows when it goes on. */
  written: (() => void) | undefined
  /** What waits until it goes on. */
  readonly queue: (() => void)[]
  /** Calls that still wait for an answer. */
  readonly calls: Set<number>
  /** Requests of others by the id they were handed in with. */
  readonly replies: Map<number, (answer: Extract<GroupEffect, { type: 'answer' }>['answer']) => void>
  /** Own proposals. */
  readonly waiting: Map<number, (outcome: Outcome) => void>
  /** True time of the tick that is due; Infinity: none. */
  wakeAt: number
}

/** Sees everything; throws a Violation. */
export interface Watcher {
  stepped?(process: Process, event: GroupEvent, effects: readonly GroupEffect[]): void
  /** An effect leaves the machine, after all writes before it. */
  effect?(process: Process, effect: GroupEffect): void
}

export interface Plant {
  rules?: (sound: QuorumRules) => QuorumRules
  acceptor?: (sound: Acceptor) => Acceptor
  /** Rows that the host's disk never gets. */
  forget?: (key: string) => boolean
  /** What is said leaves before what it rests on is written. */
  saysFirst?: boolean
  permits?: GroupOptions['permits']
}

export interface WorldOptions {
  seed: number
  hosts: number
  genesis: readonly number[]
  tier: Tier
  threshold?: number | undefined
  /** Every message goes through the bytes of the protocol. */
  overWire: boolean
  /** Longest fsync, ms. */
  slowDisk: number
  permits: (process: Process) => GroupOptions['permits']
  watcher: Watcher
  plant?: Plant | undefined
  trace?: ((line: string) => void) | undefined
}

export interface World {
  readonly now: number
  readonly hosts: readonly Host[]
  readonly paths: Paths
  readonly random: Random
  readonly counts: Record<string, number>
  /** Longest fsync, ms. */
  slowDisk: number
  running(): Process[]
  start(index: number): Process
  /** The power goes. `mayTear`: an unsynced write may damage a row. */
  crash(process: Process, mayTear: boolean): void
  pause(process: Process): void
  resume(process: Process): void
  /** Its own monotonic clock, ms. */
  localTime(process: Process): number
  /** How long `ms` of its clock take. */
  trueMs(process: Process, ms: number): number
  /** Returns the id, by which it may be abandoned. */
  propose(process: Process, wanted: Wanted, within: number, done: (outcome: Outcome) => void): number
  handle(process: Process, event: GroupEvent): void
  count(name: string): void
  later(ms: number, run: () => void): void
  run(ms: number): void
}
