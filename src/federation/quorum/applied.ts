import type { RegisterValue } from '../../wire/quorum-types.ts'
import { MAX_OPS } from '../../wire/quorum-votes.ts'

/**
 * Where a change stands in a value: `applied` (made `version`), `free` (not applied), `forgotten` (so many changes have followed where it
 * might be that nobody knows). An op id stands beside each of the last 16 versions, so a retried change is applied once.
 * @param expect the version it replaces; undefined: any
 * @param first the version that was the newest when this change was first tried
 */
export function placeOf(value: RegisterValue, op: string, expect: number | undefined, first: number): { place: 'applied'; version: number } | { place: 'free' | 'forgotten' } {
  if (expect !== undefined) {
    const behind = value.version - (expect + 1)
    if (behind < 0) return { place: 'free' }
    if (behind >= MAX_OPS) return { place: 'forgotten' }
    return value.ops[behind] === op ? { place: 'applied', version: expect + 1 } : { place: 'free' }
  }
  const index = value.ops.indexOf(op)
  if (index >= 0) return { place: 'applied', version: value.version - index }
  return { place: value.version - first >= MAX_OPS ? 'forgotten' : 'free' }
}

/** The value that a change makes of another. */
export function changed(value: RegisterValue, op: string, data: Uint8Array | undefined): RegisterValue {
  return { version: value.version + 1, ops: [op, ...value.ops].slice(0, MAX_OPS), ...(data !== undefined && { data }) }
}
