import type { MembershipProfile } from '../../src/membership/profiles.ts'
import type { Swim } from '../../src/membership/swim.ts'
import type { LocalMember, SwimEffect, SwimEvent } from '../../src/membership/types.ts'
import type { SwimMessage, SwimScope } from '../../src/wire/swim-types.ts'
import type { Cable } from './swim-cable.ts'
import type { Paths } from './swim-paths.ts'
import type { Registry } from './swim-seal.ts'

/** A machine in the rack. What it remembers outlives its processes. */
export interface Host {
  readonly index: number
  readonly peer: string
  /** False: powered off, nothing answers for it. */
  powered: boolean
  /** Its wall clock against the true time, ms. */
  wallOffset: number
  rememberedBoot: number
  process: Process | undefined
}

/** One life of a member. */
export interface Process {
  readonly id: number
  readonly host: Host
  readonly peer: string
  readonly swim: Swim
  readonly scope: SwimScope
  /** Its monotonic clock against the world's: only differences mean anything to it. */
  readonly offset: number
  readonly startedAt: number
  address: string
  local: LocalMember
  /** It no longer runs. */
  ended: boolean
  /** It said goodbye and closed its port. */
  left: boolean
  superseded: boolean
  paused: boolean
  /** Its event loop stands still until then. */
  blockedUntil: number
  readonly inbox: SwimEvent[]
  wakeAt: number
  wakeMissed: boolean
  /** By the other's peer id, as its host sees them. */
  readonly cables: Map<string, Cable[]>
  readonly sent: { messages: number; bytes: number }
  dialling: number
}

/** Sees every step. */
export interface Watcher {
  started?(process: Process): void
  stepped?(process: Process, event: SwimEvent, effects: readonly SwimEffect[]): void
  ended?(process: Process): void
}

export interface WorldOptions {
  seed: number
  /** Hosts, each with its own identity. */
  members: number
  profile: MembershipProfile
  fullMesh?: number
  /** See CableDeps. @default true */
  tcp?: boolean
  /** Further hosts, for second processes of an identity. @default 0 */
  spare?: number
  /** Whom a node dials by its configuration, by host index; kept by the mesh, not by membership. @default [0, 1] */
  bootstrap?: readonly number[]
  watcher?: Watcher
  /** Plants a bug. */
  plant?: (swim: Swim, peer: string) => Swim
  trace?: (line: string) => void
}

export interface World {
  readonly now: number
  readonly hosts: readonly Host[]
  readonly paths: Paths
  readonly registry: Registry
  readonly counts: Record<string, number>
  /** Running processes, the superseded and those that left not among them. */
  running(): Process[]
  start(host: number, options?: { withState?: boolean; address?: string; pool?: string; alone?: boolean }): Process
  /** A second process of `of`'s identity on a spare host. */
  startTwin(host: number, of: number): Process
  /** kill -9: the kernel resets its connections and refuses new ones. */
  crash(process: Process): void
  /** Power cut: nothing resets, nothing refuses. */
  vanish(process: Process): void
  leave(process: Process): void
  rejoin(process: Process): void
  pause(process: Process): void
  resume(process: Process): void
  block(process: Process, ms: number): void
  move(process: Process, options: { breakLinks: boolean }): void
  /** Breaks the connections between two without any death. */
  sever(a: Process, b: Process): void
  /** Hands a message to a machine as if `from` had sent it. */
  inject(to: Process, from: string, message: SwimMessage): void
  later(ms: number, run: () => void): void
  run(ms: number): void
}
