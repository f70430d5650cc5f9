import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCluster, pause, seconds, type Cluster, type MemberProcess } from '../support/member-cluster.ts'
import { slimContender, type SlimContender } from '../support/slim-contender.ts'
import { createSlimWorld } from '../support/slim-world.ts'

const MEMBERS = 8
/** Facts are asserted, not speed: seconds on a machine that also does everything else. */
const SOON = 30
/** So many are away at the same time at most, when all are started again one after the other. */
const AWAY = 4

/** Real processes with sockets and signals; what needs many members or virtual time is in test/sim/membership. */
describe('members in processes of their own', () => {
  const world = createSlimWorld()
  let slim: SlimContender
  let cluster: Cluster

  beforeAll(async () => {
    slim = slimContender('lan', { world, listen: () => '/ip4/127.0.0.1/tcp/0' })
    cluster = createCluster(slim, Array.from({ length: MEMBERS }, (_, index) => ({ index, name: `n${index}`, address: '127.0.0.1' })))
    const began = seconds()
    const [first, ...rest] = await Promise.all(cluster.places.map(({ index }) => cluster.start(index)))
    await Promise.all(rest.map((member) => slim.join(member, (first as MemberProcess).place)))
    expect(await becomeWhole(began)).toBeLessThan(Infinity)
  }, 120_000)
  afterAll(async () => {
    await cluster.stop()
    world.dispose()
  })

  const becomeWhole = (from = seconds()) => cluster.until(() => cluster.whole(), from, SOON)
  /** Until everybody who runs sees the member so. */
  const seenAs = (how: 'failed' | 'left', { name }: { name: string }, from: number) =>
    cluster.until(() => cluster.running().every(({ place, view }) => place.name === name || view.get(name) === how), from, SOON)
  /** Who was said to have failed since then, by whom. */
  const failures = (from: number) => cluster.sightings.filter(({ at, event }) => at >= from && event === 'failed').map(({ observer, about }) => `${about} by ${observer}`)

  /** Starts it again, with the same key and at another port; resolves when it has met somebody. */
  async function again(index: number): Promise<void> {
    const member = await cluster.start(index)
    // Two, for one may be about to end, the youngest last of all; only of those that are there already it is known where they listen.
    const there = cluster.running().filter((other) => other !== member && other.view.size > 1).toSorted((one, other) => other.began - one.began)
    for (const seed of there.slice(0, 2)) await slim.join(member, seed.place)
    expect(await cluster.until(() => member.view.size > 1, seconds(), SOON)).toBeLessThan(Infinity)
  }

  test('a kill is seen by all and nobody else is blamed; the same identity comes back', async () => {
    const victim = cluster.member(3)
    const began = seconds()
    victim.child.kill('SIGKILL')
    const took = await seenAs('failed', victim.place, began)
    console.log(`kill -9: the last of ${MEMBERS - 1} members saw it after ${took.toFixed(2)} s`)
    expect(took).toBeLessThan(SOON)
    await again(3)
    expect(await becomeWhole()).toBeLessThan(SOON)
    expect(failures(began).filter((line) => !line.startsWith('n3 '))).toEqual([])
  })

  test('a second kill three seconds after the first is seen by all as well, and nobody else is blamed', async () => {
    const began = seconds()
    const took: number[] = []
    for (const index of [1, 6]) {
      await pause(Math.max(0, took.length * 3 - (seconds() - began)))
      const victim = cluster.member(index)
      const killed = seconds()
      victim.child.kill('SIGKILL')
      took.push(await seenAs('failed', victim.place, killed))
    }
    console.log(`two kills 3 s apart: the last member saw them after ${took.map((each) => each.toFixed(2)).join(' and ')} s`)
    expect(Math.max(...took)).toBeLessThan(SOON)
    for (const index of [1, 6]) await again(index)
    expect(await becomeWhole()).toBeLessThan(SOON)
    expect(failures(began).filter((line) => !/^n[16] /.test(line))).toEqual([])
  })

  test('a leave is seen as one by all, and as a failure by nobody', async () => {
    const victim = cluster.member(5)
    const began = seconds()
    slim.leave(victim)
    expect(await seenAs('left', victim.place, began)).toBeLessThan(SOON)
    await victim.ended
    await again(5)
    expect(await becomeWhole()).toBeLessThan(SOON)
    expect(failures(began)).toEqual([])
  })

  test('an event loop that stands still for two seconds costs nobody its place', async () => {
    const began = seconds()
    slim.block(cluster.member(2), 2_000)
    await pause(6)
    expect(failures(began)).toEqual([])
    expect(cluster.sightings.filter(({ at, event, observer }) => at >= began && event === 'accused' && observer === 'n2')).toEqual([])
    expect(await becomeWhole()).toBeLessThan(SOON)
  })

  test('three stopped for ten seconds: no healthy member is taken for dead, and the stopped ones are members again', async () => {
    const stopped = [0, 4, 7].map((index) => cluster.member(index))
    const names = new Set(stopped.map(({ place }) => place.name))
    const began = seconds()
    for (const { child } of stopped) child.kill('SIGSTOP')
    await pause(10)
    for (const { child } of stopped) child.kill('SIGCONT')
    await pause(2)
    expect(await becomeWhole()).toBeLessThan(SOON)
    expect(failures(began).filter((line) => !names.has(line.split(' ')[0] ?? ''))).toEqual([])
  })

  test('all killed and started again one after the other within seconds: everybody sees everybody', async () => {
    const order = [6, 1, 4, 0, 7, 3, 5, 2]
    const began = seconds()
    const back: Promise<void>[] = []
    for (const [position, index] of order.entries()) {
      // However long a start takes here, not everybody who knows the others may be away at the same time: a member remembers nobody.
      await back[position - AWAY]
      const { child, ended } = cluster.member(index)
      child.kill('SIGKILL')
      back.push(ended.then(() => again(index)))
      await pause(0.5)
    }
    await Promise.all(back)
    const took = await becomeWhole()
    console.log(`all ${MEMBERS} restarted: all see all ${took.toFixed(2)} s after the last start, ${(seconds() - began).toFixed(1)} s in all`)
    expect(took).toBeLessThan(SOON)
  })
})
