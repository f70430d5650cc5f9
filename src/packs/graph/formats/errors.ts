import { SkeinError } from '../../../base/errors.ts'

/** A document that cannot be read, with the place: a line for text, a path for JSON. */
export function badDocument(place: string, problem: string): SkeinError {
  return new SkeinError('SKEIN_BAD_REQUEST', `${place}: ${problem}`)
}
