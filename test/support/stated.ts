import { readFileSync } from 'node:fs'
import { expect } from 'vitest'

const UNITS: Record<string, number> = { KiB: 1_024, MiB: 1_048_576, ms: 1, s: 1_000, minutes: 60_000, hour: 3_600_000, hours: 3_600_000, days: 86_400_000 }
const AMOUNT = '(\\d[\\d ]*\\d|\\d)((?: (?:KiB|MiB|ms|s|minutes|hour|hours|days)\\b)?)'

/** `24 KiB` and `64 s` in bytes and ms, plain numbers as they are. */
function amount(digits: string, unit: string): number {
  return Number(digits.replaceAll(' ', '')) * (unit === '' ? 1 : (UNITS[unit.trim()] as number))
}

/** Fails unless `page` has the sentence, with these amounts where it has `#`. White space counts as one blank. */
export function expectStated(page: string, sentence: string, values: readonly number[]): void {
  const escaped = sentence.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/\s+/g, '\\s+')
  const match = new RegExp(escaped.replaceAll('#', AMOUNT)).exec(page)
  expect(match, 'the page does not say so').not.toBeNull()
  const said = (match as RegExpExecArray).slice(1)
  expect(values.map((_, index) => amount(said[2 * index] ?? '', said[2 * index + 1] ?? ''))).toEqual(values)
}

/** A numeric constant of a source file, exported or not, that is written as a number or a product. */
export function constantOf(file: string, name: string): number {
  const text = readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8')
  const written = new RegExp(`^(?:export )?const ${name} = ([\\d_.* ]+)$`, 'm').exec(text)?.[1]
  if (written === undefined) throw new Error(`src/${file} has no constant ${name} that is a number`)
  return written.split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1)
}
