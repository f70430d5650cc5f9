import { SkeinError } from '../base/errors.ts'
import type { Problem } from './types.ts'

/** More problems than this at once do not help anyone. */
const MAX_SHOWN = 20
/** Values are shown in messages up to this length. */
const MAX_VALUE = 60

/** All problems as one error; `data.problems` has them for programs. */
export function configError(problems: readonly Problem[]): SkeinError {
  const lines = problems.slice(0, MAX_SHOWN).map(problemLine)
  if (problems.length > MAX_SHOWN) lines.push(`and ${problems.length - MAX_SHOWN} more`)
  const message = lines.length === 1 ? (lines[0] as string) : `the configuration has ${problems.length} problems:\n  ${lines.join('\n  ')}`
  return new SkeinError('SKEIN_CONFIG', message, { data: { problems: problems.slice(0, MAX_SHOWN) } })
}

export function problemLine(problem: Problem): string {
  const place = problem.line === undefined ? problem.where : `${problem.where}:${problem.line}:${problem.column ?? 1}`
  return [place, problem.key, problem.message].filter((part) => part !== '').join(': ')
}

/** A value for a message: short, on one line. */
export function shortValue(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (value === null || value === undefined) return 'nothing'
  if (typeof value === 'object') return 'a section of keys'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text
}

/** The most similar of `known`, if it is near enough to be what was meant. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const lower = name.toLowerCase()
  let best: string | undefined
  // A third of the letters wrong is a slip of the finger; more is another word.
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue
    const distance = editDistance(lower, candidate.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** Levenshtein distance, two rows. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] as number) + 1, (current[column - 1] as number) + 1))
    }
    previous = current
  }
  return previous[b.length] as number
}
