import { describe, expect, test } from 'vitest'
import { createLineSplitter } from '../../../src/base/lines.ts'

function split(max: number) {
  const lines: string[] = []
  const splitter = createLineSplitter(max, (line) => lines.push(line.toString()))
  return { lines, feed: (text: string | Buffer) => splitter.feed(Buffer.from(text as string)), end: () => splitter.end() }
}

describe('lines of a byte stream', () => {
  test('come whole wherever the stream is cut, also within a character', () => {
    const text = 'one\n\nzwö🙂lf\r\nrest'
    const bytes = Buffer.from(text)
    for (let at = 0; at <= bytes.length; at++) {
      const { lines, feed } = split(100)
      expect(feed(bytes.subarray(0, at)) && feed(bytes.subarray(at))).toBe(true)
      expect(lines).toEqual(['one', '', 'zwö🙂lf\r'])
    }
  })

  test('byte by byte', () => {
    const { lines, feed } = split(100)
    for (const byte of Buffer.from('ab\ncd\n')) feed(Buffer.of(byte))
    expect(lines).toEqual(['ab', 'cd'])
  })

  test('one of the limit passes, one byte more ends it all', () => {
    const { lines, feed } = split(4)
    expect(feed('1234\n1234\n')).toBe(true)
    expect(feed('12345\nok\n')).toBe(false)
    expect(feed('ok\n')).toBe(false)
    expect(lines).toEqual(['1234', '1234'])
  })

  test('the limit counts over chunks', () => {
    const { lines, feed } = split(4)
    expect(feed('123')).toBe(true)
    expect(feed('45')).toBe(false)
    expect(lines).toEqual([])
  })

  test('what has no newline comes with the end, once, unless it was too long', () => {
    const { lines, feed, end } = split(4)
    feed('ab\nc')
    feed('d')
    end()
    end()
    expect(lines).toEqual(['ab', 'cd'])
    const long = split(4)
    long.feed('12345')
    long.end()
    expect(long.lines).toEqual([])
  })
})
