import { describe, expect, test } from 'vitest'
import { createPeerShare, MAX_LISTENS } from '../../../src/node/peer-share.ts'

const BUSY = expect.objectContaining({ code: 'SKEIN_BUSY' })

describe('the share of a server that one node may use', () => {
  test('ends at 192 calls, for that node and that server alone, and comes back with each call that ends', () => {
    const share = createPeerShare()
    const leaves = Array.from({ length: 192 }, () => share.enter('p', 's'))
    expect(() => share.enter('p', 's')).toThrow(BUSY)
    share.enter('p', 'other')()
    share.enter('q', 's')()
    leaves[0]?.()
    leaves[0] = share.enter('p', 's')
    expect(() => share.enter('p', 's')).toThrow(BUSY)
    for (const leave of leaves) leave()
    for (let call = 0; call < 1_000; call++) share.enter('p', 's')()
  })

  test('listens are counted apart, all servers together', () => {
    const share = createPeerShare()
    const leaves = Array.from({ length: MAX_LISTENS }, () => share.listen('p'))
    expect(() => share.listen('p')).toThrow(BUSY)
    share.listen('q')()
    share.enter('p', 's')()
    leaves.pop()?.()
    share.listen('p')
    expect(() => share.listen('p')).toThrow(BUSY)
  })
})
