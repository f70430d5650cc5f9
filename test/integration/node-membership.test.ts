import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MemberChange } from '../../src/node/api.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { startHostileMember } from '../support/hostile-member.ts'
import { ROOT } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

type Here = Awaited<ReturnType<typeof startNodeHere>>

const echo = (name: string) => ({ servers: { [name]: { command: process.execPath, args: [join(ROOT, 'test/fixtures/echo-server.ts')] } } })
const stateOf = (node: Here, name: string) => node.api.members().find((member) => member.name === name)?.state
const servers = (node: Here) => [...new Set(node.api.tools().map(({ server }) => server))].sort().join()

describe('members of a federation of whole nodes', () => {
  let alpha: Here
  let token: string
  const changes: MemberChange[] = []

  beforeAll(async () => {
    alpha = await startNodeHere('alpha', echo('one'))
    token = (await alpha.api.createToken({ uses: 10 })).token
    alpha.api.onMember((change) => changes.push(change))
  })
  afterAll(() => alpha.stop())

  test('join, are seen by name with their tools, and leave with one word', async () => {
    const beta = await startNodeHere('beta', echo('two'), token)
    await waitUntil('both see two members', () => [alpha, beta].every((node) => node.api.status().members.healthy === 2))
    await waitUntil('both list all tools', () => [alpha, beta].every((node) => servers(node) === 'one,two'))
    expect(beta.api.members()).toMatchObject([
      { name: 'alpha', state: 'alive', self: false, linked: true, tier: 'leaf' },
      { name: 'beta', state: 'alive', self: true, linked: false }
    ])
    expect(alpha.api.tools().find(({ server }) => server === 'two')?.providers).toMatchObject([{ name: 'beta' }])
    await beta.drain(1_000)
    // The word was sent before the drain was over.
    await waitUntil('alpha knows that beta left', () => stateOf(alpha, 'beta') === 'left', { timeout: 500, every: 5 })
    expect(servers(alpha)).toBe('one')
    await beta.stop()
    expect(changes.map(({ type, member }) => `${type} ${member.name}`)).toEqual(['joined beta', 'left beta'])
    expect(changes.every(({ time }) => Math.abs(time - Date.now()) < 60_000)).toBe(true)
    expect(alpha.api.status().members).toEqual({ total: 1, healthy: 1 })
    expect(alpha.api.peers().filter(({ state }) => state === 'connected')).toEqual([])
  })

  test('one that goes without a word fails within seconds, and its tools with it', async () => {
    const mallory = await startHostileMember(77, token, alpha.self)
    await waitUntil('mallory is a member', () => stateOf(alpha, 'mallory') === 'alive')
    changes.length = 0
    // As kill -9: sockets break and nobody listens there any more.
    await mallory.stop()
    await waitUntil('alpha knows that mallory is dead', () => stateOf(alpha, 'mallory') === 'dead', { timeout: 3_000, every: 10 })
    expect(changes.at(-1)).toMatchObject({ type: 'failed', member: { name: 'mallory' }, by: alpha.self, evidence: 'refused' })
    expect(alpha.meter.snapshot().find(({ name }) => name === 'membership_failures_total')?.samples[0]?.value).toBe(1)
  })
})
