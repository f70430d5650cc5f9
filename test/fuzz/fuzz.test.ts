import { describe, expect, test } from 'vitest'
import { readVectors } from '../support/mcp-vectors.ts'
import { admissionTargets, catalogTargets, gossipTestTargets, reachTargets } from './cbor-targets.ts'
import { fuzz, type FuzzCount, type FuzzTarget } from './driver.ts'
import { mcpTargets } from './mcp-targets.ts'
import { mcpTextTargets } from './mcp-text-targets.ts'
import { frameTarget, rpcTarget } from './rpc-targets.ts'
import { swimTargets } from './swim-targets.ts'

const INPUTS = 20_000
const SEED = 20_261_121

/** INPUTS for each target. */
async function run(targets: readonly FuzzTarget[]): Promise<FuzzCount[]> {
  const counts: FuzzCount[] = []
  for (const target of targets) {
    const count = await fuzz(target, INPUTS, SEED)
    counts.push(count)
    console.log(`${count.name}: ${count.inputs} inputs, ${count.parsed} passed the first decode, ${count.accepted} accepted, ${count.rejected} rejected`)
    expect(count.findings, count.name).toEqual([])
    expect(count.parsed, count.name).toBeGreaterThan(count.inputs / 2)
    expect(count.accepted, count.name).toBeGreaterThan(0)
    expect(count.rejected, count.name).toBeGreaterThan(count.inputs / 100)
  }
  return counts
}

describe(`${INPUTS} damaged inputs for each reader are read or refused with a sentence, never a crash`, { timeout: 240_000 }, () => {
  test('admission', () => run(admissionTargets))
  test('catalog', () => run(catalogTargets))
  test('reach', () => run(reachTargets))
  test('test messages of gossip', () => run(gossipTestTargets))
  test('swim', () => run(swimTargets()))
  test('mcp', () => run(mcpTargets))
  test('mcp texts', () => run(mcpTextTargets))
  test('rpc: frames alone, and frames in any order for the session', async () => {
    const session = rpcTarget()
    await run([frameTarget(), session])
    console.log(`rpc: ${session.lived()} sessions lived through all their frames`)
    expect(session.lived()).toBeGreaterThan(50)
  })
})

test('a throw that is not ours is a finding', async () => {
  const broken: FuzzTarget = { name: 'broken', next: () => Uint8Array.of(7), parse: () => {}, read: () => JSON.parse('{') }
  expect(await fuzz(broken, 5, 1)).toMatchObject({ crashes: 5, accepted: 0, rejected: 0 })
  expect((await fuzz(broken, 5, 1)).findings[0]).toMatch(/broken, seed 1, input 0, 07: SyntaxError/)
})

test('undamaged bodies of calls are read', () => {
  for (const { kind, hex } of readVectors()) {
    expect(mcpTargets.find(({ name }) => name === `mcp ${kind}`)?.read(Buffer.from(hex, 'hex'), { float: () => 0, bytes: (n) => new Uint8Array(n) })).toBeUndefined()
  }
})
