import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { fields, plain, shorten, table } from '../../../src/cli/output.ts'
import { startProgress } from '../../../src/cli/progress.ts'
import { createManualClock } from '../../support/manual-clock.ts'

describe('text for people', () => {
  test('columns are aligned and lines have no trailing spaces', () => {
    expect(table(['NAME', 'AT'], [['a', 'here'], ['longer', '']])).toBe('NAME    AT\na       here\nlonger')
    expect(fields([['a', '1'], ['bcd', '2']])).toBe('a    1\nbcd  2')
  })

  test('control characters of others do not reach the terminal', () => {
    expect(plain('a\u001b[2Jb\r\nc')).toBe('a [2Jb c')
    expect(table(['N'], [['x\ny']])).toBe('N\nx y')
  })

  test('shorten keeps the width', () => {
    expect(shorten('abcdef', 4)).toBe('abc…')
    expect(shorten('abcd', 4)).toBe('abcd')
  })
})

describe('progress', () => {
  function setup(isTTY: boolean) {
    const clock = createManualClock()
    const written: string[] = []
    const stderr = Object.assign(
      new Writable({
        write(chunk, _encoding, done) {
          written.push(String(chunk))
          done()
        }
      }),
      { isTTY, columns: 20 }
    )
    const progress = startProgress({ clock, io: { stderr } as never }, 'calling')
    return { clock, written, progress }
  }

  test('nothing for what takes less than a second', () => {
    const { clock, written, progress } = setup(true)
    clock.advance(900)
    progress.done()
    clock.advance(5000)
    expect(written).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('a spinner on a terminal, cut to its width and cleared at the end', () => {
    const { clock, written, progress } = setup(true)
    clock.advance(1000)
    progress.update('a text longer than the line')
    clock.advance(100)
    progress.done()
    expect(written[0]).toContain('calling')
    expect(written[1]).toContain('a text longer th…')
    expect(written.at(-1)).toBe('\r\u001b[K')
  })

  test('elsewhere lines, only when something changed, at most one a second', () => {
    const { clock, written, progress } = setup(false)
    clock.advance(3000)
    for (let step = 0; step < 10; step++) {
      progress.update(`step ${step}`)
      clock.advance(100)
    }
    clock.advance(2000)
    progress.done()
    expect(written[0]).toBe('skein: calling …\n')
    expect(written.length).toBeLessThanOrEqual(3)
    expect(written.at(-1)).toBe('skein: step 9 …\n')
  })
})
