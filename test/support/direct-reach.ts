import type { Reach } from '../../src/rpc/reach/types.ts'
import type { Rpc } from '../../src/rpc/types.ts'

/** Sessions as the only way, for tests of what is above them. */
export function directReach(rpc: Pick<Rpc, 'open' | 'call'>): Pick<Reach, 'open' | 'call' | 'path' | 'other'> {
  return { open: rpc.open, call: rpc.call, path: () => undefined, other: () => Promise.resolve(false) }
}
