import { readFileSync } from 'node:fs'
import { pause, seconds, type Cluster, type MemberProcess, type Sighting } from '../../support/member-cluster.ts'
import type { Namespaces } from '../../support/namespaces.ts'
import type { SlimContender } from '../../support/slim-contender.ts'
import { cpuOf, rssOf } from '../proc.ts'
import { median } from '../table.ts'

/** Figures of one scenario by key; each run adds a value. Infinity: it did not happen in time. */
export type Figures = Record<string, number[]>

/** A started cluster on which scenarios are run. */
export interface Stand {
  cluster: Cluster
  namespaces: Namespaces
  /** Set if its contender can be asked for its own counts. */
  skein: SlimContender | undefined
  say: (line: string) => void
}

/** Time to calm down between two scenarios, s. */
export const SETTLE_S = 4

export function pick<T>(from: readonly T[], count: number): T[] {
  const left = [...from]
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(Math.floor(Math.random() * left.length), 1)[0] as T)
}

export function since(cluster: Cluster, from: number, event: Sighting['event'], which: (seen: Sighting) => boolean = () => true): Sighting[] {
  return cluster.sightings.filter((seen) => seen.at >= from && seen.event === event && which(seen))
}

/** Starts all, lets all but the first join the first at once, and waits until all see all. */
export async function storm(stand: Stand): Promise<Figures> {
  const { cluster } = stand
  const { contender, places } = cluster
  const members = await Promise.all(places.map((_, index) => cluster.start(index)))
  await pause(1.5)
  const [seed, ...joining] = members as [MemberProcess, ...MemberProcess[]]
  await Promise.all(joining.map((member) => contender.prepareJoin?.(member)))
  const cpu = cpuSeconds(members)
  const began = seconds()
  await Promise.all(joining.map((member) => contender.join(member, seed.place)))
  const all = await cluster.until(() => cluster.whole(), began, 120)
  const cpuWhole = cpuSeconds(members) - cpu
  // When each knew everybody: its last news.
  const full = members.map(({ place }) => Math.max(0, ...since(cluster, began, 'joined', ({ observer }) => observer === place.name).map(({ at }) => at - began))).toSorted((a, b) => a - b)
  const middle = full[full.length >> 1] ?? NaN
  await pause(Math.max(0, began + 10 - seconds()))
  const connections = await connectionsOf(stand)
  return {
    'join all': [all],
    'join median member': [middle],
    'join stragglers': [Number.isFinite(all) ? full.filter((at) => at > middle + 1).length : NaN],
    'join cpu': [cpuWhole],
    'join cpu 10 s': [cpuSeconds(members) - cpu],
    ...(await meshed(stand, began)),
    'join start': [median(members.map(({ startTime }) => startTime))],
    ...(connections === undefined ? {} : { 'join connections': [connections] })
  }
}

async function connectionsOf({ cluster, skein }: Stand): Promise<number | undefined> {
  if (skein === undefined) return undefined
  return sum(await Promise.all(cluster.running().map(async (member) => (await skein.stats(member)).connections))) / 2
}

/** Longest wait for all connections of a full mesh, s. */
const MESH_S = 90

/** Until everybody is connected with everybody: before that the machine is busy with handshakes. Serf has no connections. */
async function meshed(stand: Stand, began: number): Promise<Figures> {
  const { cluster, skein } = stand
  if (skein === undefined) return {}
  const wanted = (cluster.running().length * (cluster.running().length - 1)) / 2
  while ((await connectionsOf(stand)) !== wanted && seconds() - began < MESH_S) await pause(0.5)
  return { 'join mesh': [seconds() - began] }
}

/** Starts a member again and lets it join through somebody who runs; the time from the word to join until all see all. */
export async function rejoin({ cluster }: Stand, index: number): Promise<number> {
  const member = await cluster.start(index)
  await cluster.contender.prepareJoin?.(member)
  const began = seconds()
  const [seed] = pick(cluster.running().filter((other) => other !== member), 1)
  await cluster.contender.join(member, (seed as MemberProcess).place)
  return cluster.until(() => cluster.whole(), began, 120)
}

export function cpuSeconds(members: readonly MemberProcess[]): number {
  return sum(members.filter(({ running }) => running).map(({ pid }) => cpuOf(pid)))
}

export function meanRss(members: readonly MemberProcess[]): number {
  return sum(members.map(({ pid }) => rssOf(pid))) / members.length
}

/** What went out on the loopback of this process's namespace. */
export function loopback({ pid }: MemberProcess): { packets: number; bytes: number } {
  const line = readFileSync(`/proc/${pid}/net/dev`, 'utf8').split('\n').find((text) => text.trim().startsWith('lo:')) ?? ''
  const fields = line.trim().split(/[:\s]+/)
  return { bytes: Number(fields[9]), packets: Number(fields[10]) }
}

/** All processors together: busy and whole time since the machine started, in clock ticks. */
export function machine(): { busy: number; all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const ticks = line.trim().split(/\s+/).slice(1).map(Number)
  const all = sum(ticks)
  return { all, busy: all - (ticks[3] ?? 0) - (ticks[4] ?? 0) }
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
