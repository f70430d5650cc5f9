import type { Operation } from './linearizable.ts'

/** The definition itself, without any cut: tries every order. For histories of some eight operations. */
export function bruteForceLinearizable(history: readonly Operation[]): boolean {
  const operations = history.filter(({ action, outcome }) => outcome.type !== 'not-applied' && !(action.type === 'read' && outcome.type === 'unknown'))
  const search = (left: readonly Operation[], version: number, data: string | undefined): boolean => {
    const answered = left.filter(({ outcome }) => outcome.type !== 'unknown')
    if (answered.length === 0) return true
    const firstReturn = Math.min(...answered.map(({ returned }) => returned))
    return left.some((operation) => {
      if (operation.called > firstReturn) return false
      const { action, outcome } = operation
      const others = left.filter((other) => other !== operation)
      if (action.type === 'read') return outcome.type === 'ok' && outcome.version === version && outcome.data === data && search(others, version, data)
      const fits = action.expect === 'any' || action.expect === version
      if (outcome.type === 'conflict') return !fits && search(others, version, data)
      if (!fits || (outcome.type === 'ok' && outcome.version !== version + 1)) return false
      return search(others, version + 1, action.data)
    })
  }
  return search(operations, 0, undefined)
}
