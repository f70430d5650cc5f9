import { expect, test } from 'vitest'
import { createEventLog, MAX_KEPT } from '../../../src/http/mcp/rev2025/event-log.ts'

const seqs = (events: { seq: number }[]) => events.map((event) => event.seq)

test('gives what came after an event, on that stream only, in order', () => {
  const log = createEventLog<string>()
  for (const seq of [1, 2, 3]) {
    log.add({ stream: 'a', seq, text: `a${seq}` })
    log.add({ stream: 'b', seq, text: `b${seq}` })
  }
  expect(log.after('a', 1).map((event) => event.text)).toEqual(['a2', 'a3'])
  expect(log.after('a', 3)).toEqual([])
  expect(log.after('c', 0)).toEqual([])
  expect(log.find((stream) => stream === 'b')).toBe('b')
  expect(log.find((stream) => stream === 'c')).toBeUndefined()
})

test('keeps the latest 256', () => {
  const log = createEventLog<string>()
  for (let seq = 1; seq <= 300; seq++) log.add({ stream: 'a', seq, text: 'x' })
  expect(seqs(log.after('a', 0))).toEqual(Array.from({ length: 256 }, (_, index) => index + 45))
  expect(log.size).toBe(256)
})

test('keeps about 1 MiB, and the newest whatever its size', () => {
  const log = createEventLog<string>()
  const half = 'x'.repeat(MAX_KEPT / 2)
  for (const seq of [1, 2, 3]) log.add({ stream: 'a', seq, text: half })
  expect(seqs(log.after('a', 0))).toEqual([2, 3])
  expect(log.size).toBe(MAX_KEPT)
  log.add({ stream: 'a', seq: 4, text: 'x'.repeat(2 * MAX_KEPT) })
  expect(seqs(log.after('a', 0))).toEqual([4])
  log.add({ stream: 'a', seq: 5, text: 'y' })
  expect(seqs(log.after('a', 0))).toEqual([5])
  expect(log.size).toBe(1)
})

test('forgets streams', () => {
  const log = createEventLog<string>()
  log.add({ stream: 'a', seq: 1, text: '123' })
  log.add({ stream: 'b', seq: 1, text: '12' })
  log.prune((stream) => stream === 'b')
  expect(log.after('a', 0)).toEqual([])
  expect(log.size).toBe(2)
})
