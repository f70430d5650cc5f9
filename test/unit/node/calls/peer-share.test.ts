import { describe, expect, test } from 'vitest'
import { createPeerShare, MAX_LISTENS, MAX_WATCHED } from '../../../../src/node/calls/peer-share.ts'

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
    const leaves = Array.from({ length: MAX_LISTENS }, () => share.listen('p', 's', 0))
    expect(() => share.listen('p', 's', 0)).toThrow(BUSY)
    share.listen('q', 's', 0)()
    share.enter('p', 's')()
    leaves.pop()?.()
    share.listen('p', 's', 0)
    expect(() => share.listen('p', 's', 0)).toThrow(BUSY)
  })

  test('so are the resources they watch, for each server; a refused listen leaves nothing behind', () => {
    const share = createPeerShare()
    const leaves = Array.from({ length: 5 }, () => share.listen('p', 's', MAX_WATCHED / 5))
    for (let more = 0; more < 2 * MAX_LISTENS; more++) expect(() => share.listen('p', 's', 1)).toThrow(BUSY)
    share.listen('p', 's', 0)()
    share.listen('p', 'other', 1_000)()
    share.listen('q', 's', 1_000)()
    leaves.pop()?.()
    for (let round = 0; round < 1_000; round++) share.listen('p', 's', MAX_WATCHED / 5)()
    for (const leave of leaves) leave()
    share.listen('p', 's', MAX_WATCHED)()
  })
})
