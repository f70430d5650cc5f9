import { expect, test } from 'vitest'
import { createRefresh } from '../../../src/mcp/upstream/refresh.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { flush } from '../../support/mcp-calls.ts'

function setup() {
  const clock = createManualClock()
  let reads = 0
  const open: (() => void)[] = []
  const announce = createRefresh(clock, () => {
    reads++
    return new Promise((resolve) => open.push(resolve))
  })
  const finish = async () => {
    for (const resolve of open.splice(0)) resolve()
    await flush()
  }
  return { clock, announce, finish, reads: () => reads }
}

test('a change is read at once; all that is announced meanwhile is one more reading', async () => {
  const { announce, finish, reads } = setup()
  announce()
  expect(reads()).toBe(1)
  for (let n = 0; n < 100; n++) announce()
  expect(reads()).toBe(1)
  await finish()
  expect(reads()).toBe(2)
  await finish()
  expect(reads()).toBe(2)
})

test('a thousand a second are five readings and one more every two seconds, the last one included', async () => {
  const { clock, announce, finish, reads } = setup()
  for (let ms = 0; ms < 10_000; ms++) {
    announce()
    clock.advance(1)
    await finish()
  }
  expect(reads()).toBeGreaterThanOrEqual(9)
  expect(reads()).toBeLessThanOrEqual(10)
  const before = reads()
  announce()
  clock.advance(2_001)
  await finish()
  expect(reads()).toBe(before + 1)
  clock.advance(60_000)
  await finish()
  expect(reads()).toBe(before + 1)
  for (let n = 0; n < 5; n++) {
    announce()
    await finish()
  }
  expect(reads()).toBe(before + 6)
})
