import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ServerExchange } from '../../src/rpc/types.ts'
import { makeCall, percentile, providersListed, workServer, type Made } from '../support/distant-world.ts'
import { leanClient, type LeanClient } from '../support/lean-mcp.ts'
import { startLyingMember, type LyingMember } from '../support/lying-member.ts'
import { makeToken, ROOT, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'

// What callers see of providers that misbehave; docs/failures.md says the same in words.

/** Longest silence of a call to any of them, ms. */
const TIMEOUT = 1_000
/** The same for those that answer every call, in the end. */
const PATIENT: Readonly<Record<string, number>> = { slow: 5_000, third: 5_000 }
const limitOf = (name: string) => PATIENT[name] ?? TIMEOUT
/** On top of it, for the way and a busy machine, ms. */
const SLACK = 1_500
/** Calls to each, and the pause between two of one caller, ms: a person or a program that tries again. */
const EACH = 60
const PAUSE = 60
const CALLERS = 2
/** A refusal that nobody was asked for takes no longer in half of all cases, ms. */
const AT_ONCE = 100
/** Failures that callers see before the bad one is avoided: five in a row, those in flight then, and a probe now and then. */
const BEFORE_AVOIDED = 14

/** Servers of a node that behave like this, under the same names. */
const MODES = ['stuck', 'hung', 'slow', 'lying', 'third', 'crash'] as const
/** Servers of a node that is itself hostile. */
const HOSTILE = ['garbled', 'mute'] as const
const NAMES = [...MODES, ...HOSTILE]
type Name = (typeof NAMES)[number]

const settle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const kind = (number: number, text: string) => Buffer.concat([Buffer.of(number), Buffer.from(text)])
const lies = [Buffer.alloc(0), kind(9, '{}'), kind(0, '[]'), kind(1, '{}\n\ndata: {}'), kind(3, '{"message":"x"}'), kind(2, '{')]
const hostile: Record<(typeof HOSTILE)[number], (exchange: ServerExchange, count: number) => void> = {
  garbled: (exchange, count) => exchange.end(lies[count % lies.length] as Buffer),
  mute() {}
}

interface World {
  edge: SkeinProcess
  client: LeanClient
  mallory: LyingMember
  logs: Record<'bad' | 'good', string>
  dispose(): Promise<void>
}

/** An edge, a node whose servers misbehave and a hostile node; with `healthy` one more that has the same servers in good health. */
async function startWorld(healthy: boolean, seedByte: number): Promise<World> {
  const scratch = tempDataDir()
  const logs = { bad: join(scratch, 'bad'), good: join(scratch, 'good') }
  const actor = (name: string, mode: string, log: string) => ({
    command: process.execPath, args: [join(ROOT, 'test/fixtures/bad-server.ts')], env: { SKEIN_BAD: mode, SKEIN_BAD_LOG: log }, stateless: true, timeout: `${limitOf(name)}ms`
  })
  const well = { well: workServer('well', { ms: 20, limit: 64 }) }
  const servers = (names: readonly string[], mode: (name: string) => string, log: string) => ({ graph: { enabled: false }, servers: { ...Object.fromEntries(names.map((name) => [name, actor(name, mode(name), log)])), ...well } })
  const edge = await startSkein({ config: { node: { id: 'edge' }, mcp: { graph: { enabled: false }, request_timeout: `${TIMEOUT}ms` } } })
  const token = await makeToken(edge, { uses: 3 })
  const nodes = await Promise.all([
    startSkein({ token, config: { node: { id: 'bad' }, mcp: servers(MODES, (name) => name, logs.bad) } }),
    ...(healthy ? [startSkein({ token, config: { node: { id: 'good' }, mcp: servers(NAMES, () => 'good', logs.good) } })] : [])
  ])
  for (const name of MODES) await providersListed(edge, `${name}__act`, nodes.length)
  const shown = JSON.parse((await edge.cli('tools', 'show', 'stuck__act', '--json')).stdout) as { definition: Record<string, unknown> & { name: string } }
  const mallory = await startLyingMember(seedByte, token, edge.status().peer, { ...shown.definition, name: 'act' }, hostile)
  for (const name of HOSTILE) await providersListed(edge, `${name}__act`, nodes.length)
  const client = await leanClient(edge.mcpUrl(), 64)
  return {
    edge, client, mallory, logs,
    async dispose() {
      client.close()
      await mallory.stop()
      await Promise.all([edge, ...nodes].map((node) => node.dispose()))
      rmSync(scratch, { recursive: true, force: true })
    }
  }
}

/** Calls to one server by some callers who pause between their calls. */
async function callsTo(client: LeanClient, name: Name, prefix: string): Promise<Made[]> {
  const made: Made[] = []
  let issued = 0
  async function caller(): Promise<void> {
    while (issued < EACH) {
      made.push(await makeCall(client, `${name}__act`, `${prefix}-${name}-${issued++}`))
      await settle(PAUSE)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return made
}

/** `SKEIN_BUSY 3 (12 ms)`: how many calls ended like this, and the median time. */
function seen(made: readonly Made[]): Record<string, { count: number; ms: number }> {
  const kinds = new Map<string, number[]>()
  for (const { by, code, ms } of made) {
    const key = by ?? code ?? 'nothing'
    kinds.set(key, [...(kinds.get(key) ?? []), ms])
  }
  return Object.fromEntries([...kinds].sort().map(([key, times]) => [key, { count: times.length, ms: percentile(times, 0.5) }]))
}
const line = (name: string, made: readonly Made[]) =>
  `  ${name.padEnd(8)} ${Object.entries(seen(made)).map(([key, { count, ms }]) => `${key} ${count} (${Math.round(ms)} ms)`).join(', ')}; slowest ${Math.round(Math.max(...made.map(({ ms }) => ms)))} ms`

async function callAll(world: World, prefix: string): Promise<Record<Name, Made[]>> {
  const all = await Promise.all(NAMES.map(async (name) => [name, await callsTo(world.client, name, prefix)] as const))
  return Object.fromEntries(all) as Record<Name, Made[]>
}

/** Nobody waits much longer than the limit, nothing runs twice, what ran and what was answered agree. */
function expectTrue(world: World, calls: Record<Name, Made[]>): void {
  const runs = new Map<string, number>()
  for (const log of Object.values(world.logs)) {
    if (existsSync(log)) for (const id of readFileSync(log, 'utf8').split('\n')) runs.set(id, (runs.get(id) ?? 0) + 1)
  }
  const all = Object.values(calls).flat()
  for (const name of NAMES) expect(calls[name].filter(({ ms }) => ms > limitOf(name) + SLACK).map(({ id, code, ms }) => `${id} ${code} ${ms}`)).toEqual([])
  expect(all.filter(({ id }) => (runs.get(id) ?? 0) > 1).map(({ id }) => id)).toEqual([])
  const NOT_RUN = new Set(['SKEIN_BREAKER_OPEN', 'SKEIN_BUSY', 'SKEIN_UPSTREAM_DOWN', 'SKEIN_NO_PROVIDER', 'SKEIN_NOT_FOUND'])
  expect(all.filter(({ id, code }) => code !== undefined && NOT_RUN.has(code) && (runs.get(id) ?? 0) > 0).map(({ id, code }) => `${id} ${code}`)).toEqual([])
  // A success is the answer of that call, from somebody who ran it.
  expect(all.filter(({ by, id, answer }) => by !== undefined && (answer.result?.content?.[0]?.text !== `${by} ${id}` || runs.get(id) !== 1)).map(({ id }) => id)).toEqual([])
}
const codes = (made: readonly Made[]) => [...new Set(made.flatMap(({ code }) => code ?? []))].sort()
const among = (made: readonly Made[], ...allowed: string[]) => expect(codes(made).filter((code) => !allowed.includes(code))).toEqual([])
const share = (made: readonly Made[], wanted: (one: Made) => boolean) => made.filter(wanted).length / made.length

/** One for each test, for what they have seen of a provider stays. */
const worlds = {} as Record<'alone' | 'beside' | 'mixed', World>
beforeAll(async () => {
  await Promise.all(([['alone', false, 81], ['beside', true, 82], ['mixed', true, 83]] as const).map(async ([id, healthy, seedByte]) => void (worlds[id] = await startWorld(healthy, seedByte))))
}, 120_000)
afterAll(() => Promise.all(Object.values(worlds).map((world) => world.dispose())))

describe('a bad provider is the only one', () => {
  test('what nobody else can answer ends in time with an error that says what is known', { timeout: 90_000 }, async () => {
    const calls = await callAll(worlds.alone, 'alone')
    console.log(['alone, what callers see:', ...NAMES.map((name) => line(name, calls[name]))].join('\n'))
    expectTrue(worlds.alone, calls)
    for (const name of ['stuck', 'hung', 'mute'] as const) {
      among(calls[name], 'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_BREAKER_OPEN', 'SKEIN_UPSTREAM_DOWN')
      expect(share(calls[name], ({ code }) => code === 'SKEIN_BREAKER_OPEN')).toBeGreaterThan(0.5)
    }
    for (const name of ['lying', 'garbled'] as const) {
      among(calls[name], 'SKEIN_UPSTREAM_INVALID', 'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_BREAKER_OPEN')
      expect(share(calls[name], ({ code }) => code === 'SKEIN_BREAKER_OPEN')).toBeGreaterThan(0.5)
    }
    const refused = Object.values(calls).flatMap((made) => made.flatMap(({ code, ms }) => (code === 'SKEIN_BREAKER_OPEN' ? [ms] : [])))
    expect(percentile(refused, 0.5)).toBeLessThan(AT_ONCE)
    // Slow is not broken, and an error that the server itself gives is an answer.
    expect(codes(calls.slow)).toEqual([])
    expect(codes(calls.third)).toEqual(['-32603'])
    expect(share(calls.third, ({ by }) => by === 'third')).toBeGreaterThan(0.6)
    // One that dies again and again is taken off the lists for a while.
    among(calls.crash, 'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_UPSTREAM_DOWN', 'SKEIN_BREAKER_OPEN', 'SKEIN_NOT_FOUND')
  })
})

describe('a bad provider beside healthy ones', () => {
  test('it is avoided after some failures: callers have answers of the healthy replica', { timeout: 90_000 }, async () => {
    const calls = await callAll(worlds.beside, 'beside')
    console.log(['beside a healthy replica, what callers see:', ...NAMES.map((name) => line(name, calls[name]))].join('\n'))
    expectTrue(worlds.beside, calls)
    for (const name of ['stuck', 'hung', 'mute', 'lying', 'garbled', 'crash'] as const) {
      // Provably not run is run elsewhere: an open breaker is nobody's error here.
      among(calls[name], 'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_UPSTREAM_INVALID')
      expect(calls[name].filter(({ code }) => code !== undefined).length).toBeLessThanOrEqual(BEFORE_AVOIDED)
      expect(share(calls[name].slice(-EACH / 2), ({ by }) => by === 'good' || by === 'crash')).toBeGreaterThan(0.9)
    }
    expect(codes(calls.slow)).toEqual([])
    // Eight answers have to agree that it is slow, however far apart; those in flight then come on top, and after that it gets a look now and then.
    const fromSlow = (made: readonly Made[]) => made.filter(({ by }) => by === 'slow').length
    expect(fromSlow(calls.slow)).toBeLessThanOrEqual(BEFORE_AVOIDED)
    expect(fromSlow(calls.slow.slice(-EACH / 6))).toBeLessThanOrEqual(1)
    among(calls.third, '-32603')
    expect(share(calls.third, ({ code }) => code === undefined)).toBeGreaterThan(0.6)
  })
})

describe('healthy servers of nodes that have bad ones too', () => {
  test('p99 of calls to healthy servers stays within twice that of the same load without bad ones', { timeout: 120_000 }, async () => {
    const ROUNDS = 3
    const HEALTHY_CALLS = 1_000
    const HEALTHY_IN_FLIGHT = 6
    /** Calls beside them, one every so many ms: to the bad ones in turn, or as many to a healthy one. */
    const EVERY = 25
    let number = 0
    async function round(beside: readonly string[]): Promise<{ ms: number[]; beside: number }> {
      const ms: number[] = []
      const others: Promise<Made>[] = []
      const timer = setInterval(() => {
        const tool = beside[others.length % beside.length] as string
        others.push(makeCall(worlds.mixed.client, tool, `side-${number++}`))
      }, EVERY)
      let issued = 0
      async function worker(): Promise<void> {
        while (issued++ < HEALTHY_CALLS) {
          const made = await makeCall(worlds.mixed.client, 'well__work', `well-${number++}`)
          expect(made.by, JSON.stringify(made.answer)).toBe('well')
          ms.push(made.ms)
        }
      }
      try {
        await Promise.all(Array.from({ length: HEALTHY_IN_FLIGHT }, worker))
      } finally {
        clearInterval(timer)
      }
      await Promise.all(others)
      return { ms, beside: others.length }
    }
    const bad = NAMES.map((name) => `${name}__act`)
    await round(['well__work'])
    const rounds: { without: number[]; with: number[] }[] = []
    for (let n = 0; n < ROUNDS; n++) rounds.push({ without: (await round(['well__work'])).ms, with: (await round(bad)).ms })
    const p99 = (which: 'without' | 'with') => rounds.map((one) => percentile(one[which], 0.99))
    const [without, withBad] = [percentile(p99('without'), 0.5), percentile(p99('with'), 0.5)]
    const p50 = (which: 'without' | 'with') => rounds.map((one) => percentile(one[which], 0.5).toFixed(1)).join(' ')
    console.log(
      `healthy servers, ${HEALTHY_CALLS} calls a round: p99 ms without bad ones ${p99('without').map((ms) => ms.toFixed(1)).join(' ')}, with ${p99('with').map((ms) => ms.toFixed(1)).join(' ')}; ratio of medians ${(withBad / without).toFixed(2)} (p50 ${p50('without')}, with ${p50('with')})`
    )
    expect(withBad / without).toBeLessThanOrEqual(2)
  })
})
