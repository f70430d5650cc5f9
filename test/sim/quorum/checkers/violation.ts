/** A rule was broken: by which checker it was seen, and what happened. */
export class Violation extends Error {
  readonly checker: string

  constructor(checker: string, message: string) {
    super(message)
    this.name = 'Violation'
    this.checker = checker
  }
}
