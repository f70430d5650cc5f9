/** A rule was broken: by which checker it was seen, and what happened. */
export class Violation extends Error {
  readonly checker: string

  constructor(checker: string, text: string) {
    super(`${checker}: ${text}`)
    this.name = 'Violation'
    this.checker = checker
  }
}
