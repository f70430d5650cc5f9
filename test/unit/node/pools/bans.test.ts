import { describe, expect, test } from 'vitest'
import { createMeter } from '../../../../src/base/meter.ts'
import { silentLogger, type Logger } from '../../../../src/base/logger.ts'
import type { QuorumLearned } from '../../../../src/federation/quorum/driver-types.ts'
import type { Decided } from '../../../../src/federation/quorum/types.ts'
import { BAN_GRACE, createBans } from '../../../../src/node/pools/bans.ts'
import { createFederationSettings } from '../../../../src/node/pools/federation-settings.ts'
import { encodeRegister } from '../../../../src/wire/federation-registers.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { testSigner } from '../../../support/security-world.ts'

const [SELF, B, C, D] = [1, 2, 3, 4].map((n) => testSigner(n).peer) as [string, string, string, string]

function world(before: Record<string, unknown> = {}) {
  const clock = createManualClock()
  const registers = new Map<string, Decided>()
  const listeners: ((decided: Decided) => void)[] = []
  const decided = (key: string, value: unknown): Decided => ({ key, version: 1, data: encodeRegister(key, value), ballot: { n: 1, peer: B }, voters: 0, op: '', votes: [] })
  for (const [key, value] of Object.entries(before)) registers.set(key, decided(key, value))
  const root = {
    known: (key: string) => registers.get(key), all: () => [...registers.values()],
    onDecided(listener: (decided: Decided) => void) {
      listeners.push(listener)
      return () => {}
    }
  } as unknown as QuorumLearned
  const lines: string[] = []
  const write = (level: string) => (message: string) => void lines.push(`${level} ${message}`)
  const logger: Logger = { ...silentLogger, info: write('info'), warn: write('warn'), error: write('error') }
  const meter = createMeter()
  const settings = createFederationSettings(root, { logger })
  const done: string[] = []
  const bans = createBans({ clock, logger, meter, settings, expel: (peer) => done.push(`expel ${peer}`), abandon: (peer) => done.push(`abandon ${peer}`), nameOf: () => '' }, { self: SELF })
  const metric = (name: string) => meter.snapshot().find((family) => family.name === name)?.samples[0]?.value
  return {
    clock, settings, bans, done, lines, metric,
    decide(key: string, value: unknown) {
      registers.set(key, decided(key, value))
      for (const listener of listeners) listener(registers.get(key) as Decided)
    }
  }
}

describe('bans', () => {
  test('of another node: it is refused at once, and gone when the decision has had time to reach it', () => {
    const { clock, settings, done, decide, metric, lines } = world()
    decide(`ban/${B}`, 'stolen')
    decide(`ban/${B}`, 'stolen indeed')
    expect([settings.isBanned(B), settings.banned(), done]).toEqual([true, [B], []])
    clock.advance(BAN_GRACE)
    expect(done).toEqual([`expel ${B}`, `abandon ${B}`])
    expect(metric('skein_federation_bans')).toBe(1)
    decide(`ban/${B}`, null)
    expect([settings.isBanned(B), metric('skein_federation_bans')]).toEqual([false, 0])
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['warn', 'info'])
  })

  test('taken back in time does nothing, and one decided anew is carried out once', () => {
    const { clock, done, decide, bans } = world()
    decide(`ban/${B}`, 'a mistake')
    decide(`ban/${B}`, null)
    clock.advance(BAN_GRACE)
    expect(done).toEqual([])
    decide(`ban/${B}`, 'no mistake')
    decide(`ban/${C}`, 'another')
    bans.stop()
    clock.advance(BAN_GRACE)
    expect(done).toEqual([])
  })

  test('known from disk close what has come before', () => {
    const { settings, done, metric } = world({ [`ban/${B}`]: 'stolen', 'setting/max_tools': 50 })
    expect([settings.isBanned(B), settings.setting('max_tools'), settings.setting('max_clusters')]).toEqual([true, 50, undefined])
    expect(done).toEqual([`abandon ${B}`])
    expect(metric('skein_federation_bans')).toBe(1)
  })

  test('of this node: it says so, and does nothing to itself', () => {
    const { clock, bans, done, decide, lines } = world()
    expect(bans.notice()).toBeUndefined()
    decide(`ban/${SELF}`, 'stolen')
    clock.advance(BAN_GRACE)
    expect(done).toEqual([])
    expect(bans.notice()).toContain(`skein consensus propose ban/${SELF} none`)
    expect(lines).toEqual([expect.stringMatching(/^error this node is banned/)])
    decide(`ban/${SELF}`, null)
    expect(bans.notice()).toBeUndefined()
    expect(world({ [`ban/${SELF}`]: 'stolen' }).lines).toEqual([expect.stringMatching(/^error this node was banned/)])
  })

  test('told by those who refuse this node: said once in the log, and for as long as they do', () => {
    const { bans, lines, metric } = world()
    bans.met(B, 'banned')
    bans.met(C, 'banned')
    bans.met(C, 'banned')
    expect(bans.notice()).toMatch(/^2 nodes refuse this one/)
    expect([lines.length, metric('skein_federation_refused_total')]).toEqual([1, 3])
    bans.met(C, 'taken')
    expect(bans.notice()).toMatch(/^a node refuses this one/)
    bans.met(B, 'taken')
    expect(bans.notice()).toBeUndefined()
  })

  test('settings that changed are told, other registers are not', () => {
    const { settings, decide } = world()
    const heard: unknown[] = []
    settings.onChange((change) => heard.push(change))
    decide('setting/max_tools', 60)
    decide(`ban/${D}`, 'x')
    decide(`ban/${D}`, null)
    expect(heard).toEqual([{}, { banned: D }, { unbanned: D }])
  })
})
