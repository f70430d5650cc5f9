import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { createMeter } from '../../../../src/base/meter.ts'
import { createSummaryMetrics } from '../../../../src/federation/summary/metrics.ts'
import { createResolver } from '../../../../src/federation/summary/resolve.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

test('a server that nobody has is not remembered, however many are asked for', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heap = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const resolver = createResolver(
    { clock: createManualClock(), self: 'self', metrics: createSummaryMetrics(createMeter()), call: () => Promise.reject(new Error('nobody')) },
    { records: () => [], shared: () => [], members: () => new Set(), below: () => [], above: () => undefined, isHub: () => true, rtt: () => 10, way: () => undefined }
  )
  const signal = new AbortController().signal
  const ask = async (from: number, count: number) => {
    for (let index = from; index < from + count; index++) await resolver.resolve({ key: `nothing-${index}`, limit: 8, fresh: false, visited: [] }, { timeout: 5_000, signal, from: 'asker' })
  }
  await ask(0, 2_000)
  const before = heap()
  await ask(2_000, 20_000)
  // 20 000 keys with a map each would be more than 4 MiB.
  expect(heap() - before).toBeLessThan(1_048_576)
})
