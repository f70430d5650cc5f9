import { expect, test } from 'vitest'
import { fuzzRpc } from './rpc-fuzz.ts'

test('20 000 mutated frames: typed refusals, no crash, at least half pass the first decode', async () => {
  const result = await fuzzRpc(20_000, 1)
  console.log('rpc fuzz', result)
  expect(result.decoded).toBeGreaterThan(result.inputs / 2)
  expect(result.lived).toBeGreaterThan(50)
  expect(result.refused).toBeGreaterThan(50)
})
