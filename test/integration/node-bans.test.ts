import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNodeHere } from '../support/node-in-process.ts'
import { ROOT } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

type Here = Awaited<ReturnType<typeof startNodeHere>>

const echo = (name: string) => ({ servers: { [name]: { command: process.execPath, args: [join(ROOT, 'test/fixtures/echo-server.ts')] } } })
const servers = (node: Here) => [...new Set(node.api.tools().map(({ server }) => server))].sort().join()
const stateOf = (node: Here, peer: string) => node.api.members().find((member) => member.peer === peer)?.state
const refusals = (node: Here) => node.meter.snapshot().find(({ name }) => name === 'skein_federation_refused_total')?.samples[0]?.value ?? 0
const signal = () => AbortSignal.timeout(15_000)
/** A majority is enough, so that the banned one need not vote for its own ban. */
const MAJORITY = { consensus: { threshold: 0.5, proposal_timeout: '5s' } }
/** "Within seconds." */
const SOON = { timeout: 5_000, every: 20 }

describe('a ban in a flat federation', () => {
  let alpha: Here
  let beta: Here
  let gamma: Here
  let token: string
  const folder = mkdtempSync(join(tmpdir(), 'skein-ban-'))
  const startGamma = (again?: string) => startNodeHere('gamma', echo('three'), again, ['/ip4/127.0.0.1/tcp/0'], { ...MAJORITY }, folder)

  beforeAll(async () => {
    alpha = await startNodeHere('alpha', echo('one'), undefined, undefined, MAJORITY)
    token = (await alpha.api.createToken({ uses: 10, tier: 'local' })).token
    beta = await startNodeHere('beta', echo('two'), token, undefined, MAJORITY)
    gamma = await startNodeHere('gamma', echo('three'), token, undefined, MAJORITY, folder)
    await waitUntil('all list all', () => [alpha, beta, gamma].every((node) => servers(node) === 'one,three,two'))
    await waitUntil('three vote', () => alpha.api.consensus().groups[0]?.voters.length === 3 && alpha.api.consensus().groups[0]?.settled === true, { timeout: 30_000 })
  }, 60_000)
  afterAll(async () => {
    await Promise.all([alpha, beta, gamma].map((node) => node?.stop()))
    rmSync(folder, { recursive: true, force: true })
  })

  test('takes its tools away everywhere and refuses its calls, within seconds', async () => {
    const began = performance.now()
    expect(await beta.api.propose({ key: `ban/${gamma.self}`, value: 'stolen laptop', signal: signal() })).toMatchObject({ outcome: 'decided', version: 1 })
    await waitUntil('nobody offers its tools', () => [alpha, beta].every((node) => servers(node) === 'one,two'), SOON)
    await waitUntil('it is dead to all, without a connection', () => [alpha, beta].every((node) => stateOf(node, gamma.self) === 'dead' && node.api.peers().every(({ peer, state }) => peer !== gamma.self || state === 'known')), SOON)
    console.log(`a ban was in force everywhere after ${Math.round(performance.now() - began)} ms`)
    await waitUntil('it says so itself', () => gamma.api.status().notices.some((notice) => notice.startsWith('this node is banned from the federation')), SOON)
    await expect(gamma.api.call('one__echo', { text: 'hi' }, { signal: signal(), timeout: 2_000 })).rejects.toMatchObject({ code: expect.stringMatching(/^SKEIN_/) })
    expect(alpha.api.consensus().settings).toMatchObject([{ key: `ban/${gamma.self}`, value: 'stolen laptop' }])
  }, 30_000)

  test('holds after a restart of the banned one, also with a new token', async () => {
    await gamma.stop()
    gamma = await startGamma()
    await waitUntil('it remembers', () => gamma.api.status().notices.some((notice) => notice.includes('is banned from the federation')), SOON)
    await waitUntil('it has asked, and was refused', () => refusals(gamma) > 0, { timeout: 20_000 })
    expect([alpha, beta].map((node) => stateOf(node, gamma.self))).toEqual(['dead', 'dead'])
    expect(gamma.api.members().filter(({ state }) => state === 'alive')).toHaveLength(1)
    await gamma.stop()
    gamma = await startGamma(token)
    await waitUntil('it was refused again', () => refusals(gamma) > 0, { timeout: 20_000 })
    expect([alpha, beta].map((node) => stateOf(node, gamma.self))).toEqual(['dead', 'dead'])
  }, 60_000)

  test('that would stop the federation is refused', async () => {
    expect(await beta.api.propose({ key: `ban/${alpha.self}`, value: 'mine now', signal: signal() })).toMatchObject({ outcome: 'refused', message: expect.stringContaining('founder') })
    await expect(beta.api.propose({ key: `ban/${beta.self}`, value: 'oops', signal: signal() })).rejects.toMatchObject({ code: 'SKEIN_BAD_REQUEST' })
  }, 30_000)

  test('ends when it is taken back', async () => {
    expect(await alpha.api.propose({ key: `ban/${gamma.self}`, value: null, signal: signal() })).toMatchObject({ outcome: 'decided', version: 2 })
    await waitUntil('it is back', () => [alpha, beta, gamma].every((node) => servers(node) === 'one,three,two'), { timeout: 75_000 })
    const about = () => gamma.api.status().notices.filter((notice) => notice.includes('banned'))
    await waitUntil('it knows', () => about().length === 0, { timeout: 10_000 }).catch(() => expect(about()).toEqual([]))
    expect(alpha.api.consensus().settings).toEqual([])
  }, 90_000)
})
