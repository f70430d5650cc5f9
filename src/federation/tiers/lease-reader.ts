import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { decodeLease } from '../../wire/tiers.ts'
import type { Lease } from '../../wire/tiers-types.ts'

/** Reads the register of a pool's lease. What cannot be read counts as no lease. */
export function createLeaseReader(pool: string, logger: Logger): (data: Uint8Array | undefined) => Lease | undefined {
  let last: { data: Uint8Array; lease: Lease } | undefined
  return (data) => {
    if (data === undefined) return undefined
    // A renewal mostly says what the last one said, and peer ids are slow to check.
    if (last !== undefined && Buffer.compare(last.data, data) === 0) return last.lease
    try {
      const lease = decodeLease(data)
      last = { data, lease }
      return lease
    } catch (error) {
      logger.error('the lease of a hub cannot be read; it counts as vacant', { pool, error: errorMessage(error) })
      return undefined
    }
  }
}
