import type { Connection } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { createAdmissionProtocol } from '../../../src/net/admission-protocol.ts'
import { createAdmittedConnections } from '../../../src/net/admitted.ts'
import { createGater } from '../../../src/net/gater.ts'
import { createNetMetrics } from '../../../src/net/metrics.ts'
import { secretRules } from '../../support/hosts.ts'
import { createManualClock } from '../../support/manual-clock.ts'

/** The other side closes the connection between the opening of the stream and our first write. */
class ClosingStream extends EventTarget {
  status = 'open'
  send(): void {
    this.status = 'closed'
    this.dispatchEvent(new Event('close'))
    throw new Error('the stream is closed')
  }
  async close(): Promise<void> {}
}

test('a stream that closes under the request is one error, not an unhandled second one', async () => {
  const clock = createManualClock()
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', onUnhandled)
  const protocol = createAdmissionProtocol({
    libp2p: undefined as never,
    admitted: createAdmittedConnections(),
    gater: createGater(clock, 'self'),
    rules: secretRules('s'),
    clock,
    logger: silentLogger,
    metrics: createNetMetrics(createMeter())
  }, { maxStrangers: 8 })
  const connection = { newStream: async () => new ClosingStream() } as unknown as Connection
  await expect(protocol.request(connection, Uint8Array.of(1))).rejects.toThrow('the stream is closed')
  // Node reports unhandled rejections after the microtasks of this turn.
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onUnhandled)
  expect(unhandled).toEqual([])
})
