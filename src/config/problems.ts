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
