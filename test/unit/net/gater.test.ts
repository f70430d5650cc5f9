import { describe, expect, test } from 'vitest'
import { createGater, REFUSALS, WINDOW_MS } from '../../../src/net/gater.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const at = (peer: string) => ({ toString: () => peer }) as never

describe('the gater', () => {
  test('does not dial who is banned, but lets it ask, so that it hears why not', () => {
    const banned = new Set(['b'])
    const gater = createGater(createManualClock(), 'self', (peer) => banned.has(peer))
    expect(gater.denyDialPeer?.(at('b'))).toBe(true)
    expect(gater.denyOutboundEncryptedConnection?.(at('b'), undefined as never)).toBe(true)
    expect(gater.denyInboundEncryptedConnection?.(at('b'), undefined as never)).toBe(false)
    banned.clear()
    expect(gater.denyDialPeer?.(at('b'))).toBe(false)
  })

  test('hears nobody who was refused too often, for a while, and never itself', () => {
    const clock = createManualClock()
    const gater = createGater(clock, 'self')
    for (let count = 0; count < REFUSALS; count++) {
      expect(gater.denyInboundEncryptedConnection?.(at('b'), undefined as never)).toBe(false)
      gater.refused('b')
    }
    expect(gater.denyInboundEncryptedConnection?.(at('b'), undefined as never)).toBe(true)
    expect(gater.denyDialPeer?.(at('b'))).toBe(false)
    clock.advance(WINDOW_MS)
    expect(gater.denyInboundEncryptedConnection?.(at('b'), undefined as never)).toBe(false)
    expect(gater.denyDialPeer?.(at('self'))).toBe(true)
  })
})
