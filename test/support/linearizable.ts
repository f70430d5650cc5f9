/**
 * Whether a history of concurrent operations on registers with compare-and-set is linearizable: whether every operation can be given one
 * moment between its call and its return at which it happened at once, so that all answers come out as they were given.
 *
 * J. M. Wing and C. Gong, Testing and verifying concurrent objects, 1993 (the search), with the two gains of G. Lowe, Testing for
 * linearizability, 2017: states seen before are not searched again, and each key is a history of its own. Versions grow by one with each
 * change, which allows three cuts that lose nothing (see `choicesAt`), so that hundreds of operations of unknown outcome are no harm.
 * Iterative: a long history takes no stack.
 */

export type Action = { type: 'read' } | { type: 'change'; /** The version that is to be replaced. */ expect: number | 'any'; data: string | undefined }

export type Outcome =
  /** Read: what was there. Change: it made this version of its data. */
  | { type: 'ok'; version: number; data: string | undefined }
  /** The change was not made, because the version was another than the one expected. */
  | { type: 'conflict' }
  /** Surely not made and never will be. */
  | { type: 'not-applied' }
  /** Made at any time after the call, or never. Reads without an answer too. */
  | { type: 'unknown' }

export interface Operation {
  key: string
  /** Who, for the report only. */
  client: string
  action: Action
  outcome: Outcome
  /** Places in one order of all calls and returns; an unknown outcome has no return. */
  called: number
  returned: number
}

export type Verdict =
  | { type: 'linearizable'; steps: number }
  | { type: 'violated'; key: string; /** What could not be placed, in words. */ why: string; steps: number }
  /** The bound on steps was reached first. */
  | { type: 'undecided'; key: string; steps: number }

/** Positions that are looked at before the search gives up: histories of correct registers take about one for each operation. */
export const DEFAULT_STEPS = 200_000

interface Register {
  version: number
  data: string | undefined
}

interface Frame {
  register: Register
  choices: readonly number[]
  next: number
}

/** Searches each key on its own; `steps` bounds each of them. */
export function checkLinearizable(history: readonly Operation[], { steps = DEFAULT_STEPS } = {}): Verdict {
  let taken = 0
  for (const [key, operations] of Map.groupBy(history, ({ key }) => key)) {
    const verdict = checkKey(key, operations, steps)
    taken += verdict.steps
    if (verdict.type !== 'linearizable') return { ...verdict, steps: taken }
  }
  return { type: 'linearizable', steps: taken }
}

function checkKey(key: string, all: readonly Operation[], bound: number): Verdict {
  const operations = all.filter(({ action, outcome }) => outcome.type !== 'not-applied' && !(action.type === 'read' && outcome.type !== 'ok')).toSorted((a, b) => a.called - b.called)
  const pending = (at: number) => operations[at]!.outcome.type === 'unknown'
  const { byVersion, everywhere } = observedIn(operations)
  const done = new Uint8Array(operations.length)
  let left = operations.filter((_, at) => !pending(at)).length
  const seen = new Set<string>()
  let steps = 0
  let best = { left: Infinity, register: { version: 0, data: undefined } as Register, done }

  function after(register: Register, at: number): Register | undefined {
    const { action, outcome } = operations[at]!
    if (action.type === 'read') return outcome.type === 'ok' && outcome.version === register.version && outcome.data === register.data ? register : undefined
    const fits = action.expect === 'any' || action.expect === register.version
    if (outcome.type === 'conflict') return fits ? undefined : register
    const version = register.version + 1
    if (!fits || (outcome.type === 'ok' && outcome.version !== version)) return undefined
    // Others were told what this version holds: only that can make it.
    if (byVersion.get(version)?.has(action.data) === false) return undefined
    return { version, data: action.data }
  }

  /**
   * What may happen next: whatever was called before the first return of what has not happened yet. Three cuts:
   * an answer that fits and changes nothing happens now, since it stands in the way of nothing;
   * a change made for this version happens now or never, so one of those of unknown outcome is as good as any;
   * of a version that nobody saw, a change whose data nobody saw is as good a maker as any.
   */
  function choicesAt(register: Register): number[] {
    const unseen = byVersion.get(register.version + 1) === undefined
    const certain: number[] = []
    let exact: number | undefined
    let anyUnseen: number | undefined
    let firstReturn = Infinity
    for (let at = 0; at < operations.length && operations[at]!.called < firstReturn; at++) {
      if (done[at] === 1) continue
      const operation = operations[at]!
      if (!pending(at)) firstReturn = Math.min(firstReturn, operation.returned)
      const next = after(register, at)
      if (next === undefined) continue
      if (next === register) return [at]
      if (pending(at) && unseen && operation.action.type === 'change') {
        if (operation.action.expect !== 'any') exact ??= at
        else if (!everywhere.has(operation.action.data)) anyUnseen ??= at
      }
      certain.push(at)
    }
    if (exact !== undefined) return [exact]
    return anyUnseen === undefined ? certain : [anyUnseen]
  }

  const first: Register = { version: 0, data: undefined }
  const stack: Frame[] = [{ register: first, choices: choicesAt(first), next: 0 }]
  while (left > 0) {
    const frame = stack.at(-1)
    if (frame === undefined) return { type: 'violated', key, why: explain(operations, best), steps }
    if (++steps > bound) return { type: 'undecided', key, steps }
    if (frame.next > 0) undo(frame.choices[frame.next - 1]!)
    const choice = frame.choices[frame.next++]
    if (choice === undefined) {
      stack.pop()
      continue
    }
    const register = after(frame.register, choice)!
    done[choice] = 1
    if (!pending(choice)) left--
    if (left < best.left) best = { left, register, done: done.slice() }
    const state = `${register.version} ${register.data} ${done.join('')}`
    const choices = seen.has(state) ? [] : choicesAt(register)
    seen.add(state)
    stack.push({ register, choices, next: 0 })
  }
  return { type: 'linearizable', steps }

  function undo(at: number): void {
    done[at] = 0
    if (!pending(at)) left++
  }
}

/** What answers said about versions: the data of each, and all data that were ever seen. */
function observedIn(operations: readonly Operation[]): { byVersion: Map<number, Set<string | undefined>>; everywhere: Set<string | undefined> } {
  const byVersion = new Map<number, Set<string | undefined>>()
  const everywhere = new Set<string | undefined>()
  for (const { outcome } of operations) {
    if (outcome.type !== 'ok') continue
    byVersion.set(outcome.version, (byVersion.get(outcome.version) ?? new Set()).add(outcome.data))
    everywhere.add(outcome.data)
  }
  return { byVersion, everywhere }
}

function explain(operations: readonly Operation[], best: { left: number; register: Register; done: Uint8Array }): string {
  const open = operations.filter((_, at) => best.done[at] === 0)
  const firstReturn = Math.min(...open.filter(({ outcome }) => outcome.type !== 'unknown').map(({ returned }) => returned))
  const stuck = open.filter(({ called, outcome }) => called < firstReturn && outcome.type !== 'unknown').map(inWords)
  return `${operations.length - open.length} of ${operations.length} operations fit, up to version ${best.register.version} = ${best.register.data}; then none of these does: ${stuck.join('; ')}`
}

/** One line for a person. */
export function inWords({ key, client, action, outcome, called, returned }: Operation): string {
  const what = action.type === 'read' ? `reads ${key}` : `sets ${key} to ${action.data} if at ${action.expect}`
  const answer = outcome.type === 'ok' ? `version ${outcome.version} = ${outcome.data}` : outcome.type
  return `${client} ${what} -> ${answer} [${called}, ${returned}]`
}
