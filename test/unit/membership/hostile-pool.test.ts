import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../src/membership/profiles.ts'
import type { Evidence, Sealed, Statement } from '../../../src/wire/swim-types.ts'
import type { createRegistry } from '../../support/swim-seal.ts'
import { createWorld } from '../../support/swim-world.ts'

/** A whole pool with liars in it, in virtual time. */

const SIZE = 12

/** The pool when everybody knows everybody. */
function pool() {
  const failed: string[] = []
  const health = { worst: 0 }
  const world = createWorld({
    seed: 5, members: SIZE, profile: PROFILES.lan,
    watcher: {
      stepped({ peer, swim }, _event, effects) {
        health.worst = Math.max(health.worst, swim.stats().health)
        for (const effect of effects) if (effect.type === 'event' && effect.event.type === 'failed') failed.push(`${effect.event.member.peer} at ${peer}`)
      }
    }
  })
  const processes = Array.from({ length: SIZE }, (_, index) => world.start(index))
  world.run(20_000)
  const registry = world.registry as ReturnType<typeof createRegistry>
  const accuse = (accuser: string, subject: string, evidence: Evidence): Sealed<Statement> =>
    registry.sealFor(accuser).seal({ kind: 'suspect', subject, incarnation: registry.latest(subject)?.statement.incarnation ?? 1, accuser, evidence })
  health.worst = 0
  return { world, processes, failed, health, accuse }
}

describe('liars in a pool of twelve', () => {
  /** `liar` accuses everybody everywhere, as often as it can make use of. */
  function storm({ world, processes, accuse }: ReturnType<typeof pool>, seconds: number): void {
    const [liar] = processes
    for (let round = 0; round < seconds * 20; round++) {
      for (const victim of processes.slice(1)) {
        if (victim.ended) continue
        const updates = [accuse(liar!.peer, victim.peer, round % 2 === 0 ? 'refused' : 'silence')]
        for (const to of processes.slice(1)) if (!to.ended) world.inject(to, liar!.peer, { kind: 'gossip', updates })
      }
      world.run(50)
    }
  }

  test('one that accuses all others twenty times a second for 20 s makes nobody fail and nobody slow', () => {
    const s = pool()
    const before = s.processes.map(({ sent }) => sent.messages)
    s.failed.length = 0
    storm(s, 20)
    expect(s.failed).toEqual([])
    expect(s.health.worst).toBeLessThanOrEqual(2)
    // Messages a second of the busiest: rounds of news to three each 10 ms would be 300.
    const rates = s.processes.map(({ sent }, index) => (sent.messages - (before[index] ?? 0)) / 20)
    expect(Math.max(...rates)).toBeLessThan(500)
    s.world.run(10_000)
    expect(s.processes.map(({ swim }) => swim.stats().members.alive)).toEqual(s.processes.map(() => SIZE))
  })

  test('nor does it keep a silent death from being found', () => {
    const s = pool()
    const gone = s.processes[SIZE - 1]!
    s.world.vanish(gone)
    s.failed.length = 0
    storm(s, 20)
    expect(s.failed.filter((text) => text.startsWith(`${gone.peer} `)).length).toBeGreaterThanOrEqual(SIZE - 2)
    expect(s.failed.filter((text) => !text.startsWith(`${gone.peer} `))).toEqual([])
  })

  test('three that lie together end a member, which is back within seconds', () => {
    const s = pool()
    const victim = s.processes[7]!
    const updates = [0, 1, 2].map((index) => s.accuse(`p${index}`, victim.peer, 'refused'))
    s.failed.length = 0
    for (const to of s.processes) if (to !== victim) s.world.inject(to, 'p0', { kind: 'gossip', updates })
    s.world.run(100)
    expect(s.failed.length).toBeGreaterThanOrEqual(8)
    s.world.run(15_000)
    expect(s.processes.map(({ swim }) => swim.stats().members.alive)).toEqual(s.processes.map(() => SIZE))
  })
})
