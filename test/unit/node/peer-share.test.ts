import { describe, expect, test } from 'vitest'
import { createPeerShare } from '../../../src/node/peer-share.ts'

describe('the share of a server that one node may use', () => {
  test('ends at 192 calls, for that node and that server alone, and comes back with each call that ends', () => {
    const share = createPeerShare()
    const leaves = Array.from({ length: 192 }, () => share.enter('p', 's'))
    expect(() => share.enter('p', 's')).toThrow(expect.objectContaining({ code: 'SKEIN_BUSY' }))
    share.enter('p', 'other')()
    share.enter('q', 's')()
    leaves[0]?.()
    leaves[0] = share.enter('p', 's')
    expect(() => share.enter('p', 's')).toThrow(expect.objectContaining({ code: 'SKEIN_BUSY' }))
    for (const leave of leaves) leave()
    for (let call = 0; call < 1_000; call++) share.enter('p', 's')()
  })
})
