import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { JOINING_TIME } from '../../src/membership/self.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const nodes: Awaited<ReturnType<typeof startNodeHere>>[] = []
const base = mkdtempSync(join(tmpdir(), 'skein-superseded-'))
for (const folder of ['first', 'beta']) mkdirSync(join(base, folder))
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
  rmSync(base, { recursive: true, force: true })
})

test('a node whose identity was started again elsewhere votes and renews no more, at once', async () => {
  const hub = { node: { hub_tier: 'global' } }
  const old = await startNodeHere('alpha', {}, undefined, undefined, hub, join(base, 'first'))
  nodes.push(old)
  const { token } = await old.api.createToken({ uses: 1 })
  nodes.push(await startNodeHere('beta', {}, token, undefined, {}, join(base, 'beta')))
  await waitUntil('it leads root', () => old.api.consensus().groups.some(({ lease }) => lease?.holder.peer === old.self), { timeout: 10_000 })
  const beta = nodes[1]!.self
  await waitUntil('they have met', () => old.api.members().some(({ peer, state }) => peer === beta && state === 'alive'))
  // For so long it takes words of a higher boot for its own of an earlier life, and rises above them.
  await sleep(JOINING_TIME)
  let superseded = false
  old.onSuperseded(() => (superseded = true))
  cpSync(join(base, 'first'), join(base, 'second'), { recursive: true })
  const bootstrap = [...nodes[1]!.api.status().addresses]
  nodes.push(await startNodeHere('alpha', {}, undefined, undefined, { ...hub, network: { listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap } }, join(base, 'second')))
  await waitUntil('it has heard so', () => superseded, { timeout: 20_000 })
  // No group is open, so no promise, no vote and no renewal leaves this process any more.
  expect(old.api.consensus().groups).toEqual([])
  expect(await old.api.propose({ key: 'setting/max_tools', value: 50, signal: AbortSignal.timeout(5_000) }).catch((error: { code: string }) => error.code)).not.toMatchObject({ outcome: 'decided' })
}, 60_000)
