import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import type { OfferedServer, Offers } from '../../../../src/federation/catalog/offers.ts'
import type { ToolTarget } from '../../../../src/node/calls/offered.ts'
import { createFarTools, MAX_REMEMBERED, REMEMBERED_FOR, SEARCH_WITHIN } from '../../../../src/node/distant/far-tools.ts'
import type { Json } from '../../../../src/wire/json-rpc.ts'
import { summaryKey, type FoundTool } from '../../../../src/wire/summary-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const OWNER = '12D3KooW-owner-abcdefgh'
const found = (server: string, tool: string, owner?: string, more: Partial<FoundTool> = {}): FoundTool => ({
  server, tool, digest: `d-${tool}`, repeatable: true, providers: 2, key: summaryKey({ name: server, ...(owner === undefined ? {} : { owner }) }), ...(owner === undefined ? {} : { owner, node: 'far' }), ...more
})
const offer = (advertised: string, tools: string[], more: Partial<OfferedServer> = {}): OfferedServer => ({
  advertised, server: advertised, stateless: false, providers: ['p'], tools: tools.map((tool) => ({ tool, digest: `d-${tool}`, repeatable: true, providers: ['p'] })), ...more
})

function setup(results: readonly FoundTool[] | Error | Promise<readonly FoundTool[]>, ...servers: OfferedServer[]) {
  const clock = createManualClock()
  const offers: Offers = { servers, notices: [], taken: new Set(servers.map(({ advertised }) => advertised)) }
  const interests: string[] = []
  const fetched: string[][] = []
  const definitions = new Map<string, Json>()
  const partial = false
  const asked: { query: string; limit: number; timeout: number; signal: AbortSignal }[] = []
  const far = createFarTools({
    clock, logger: silentLogger,
    async search(query, options) {
      asked.push({ query, ...options })
      if (results instanceof Error) throw results
      return { tools: [...(await results)], partial }
    },
    interest: (key) => void interests.push(key),
    offers: () => offers,
    definition: (digest) => definitions.get(digest),
    async fetch(digests) {
      fetched.push([...digests])
      for (const digest of digests) definitions.set(digest, { name: digest.slice(2), description: 'far away' })
    }
  })
  return { clock, far, offers, interests, fetched, definitions, asked }
}
const target = (advertised: string, tool: string): ToolTarget => ({ advertised, server: advertised, tool, digest: 'd', repeatable: true, providers: ['p'] })

describe('tools beyond the lists', () => {
  test('are found under the name that they would have here, with their definitions', async () => {
    const s = setup([found('files', 'read', OWNER), found('clock', 'now')], offer('files', ['read']))
    s.offers.servers[0] = offer('files', ['read'], { providers: ['other'] })
    const { tools, partial } = await s.far.search('read', 10)
    expect(partial).toBe(false)
    expect(tools.map(({ name, target: to, count, node }) => [name, to.advertised, to.server, to.tool, to.distant, to.providers, count, node])).toEqual([
      ['files-abcdefgh__read', 'files-abcdefgh', 'files', 'read', `files@${OWNER}`, [], 2, 'far'],
      ['clock__now', 'clock', 'clock', 'now', 'clock', [], 2, undefined]
    ])
    expect(s.asked).toMatchObject([{ query: 'read', limit: 10, timeout: SEARCH_WITHIN }])
    expect(s.fetched).toEqual([['d-read', 'd-now']])
  })

  test('those that are offered here anyway are not found twice', async () => {
    const servers = [offer('files', ['read'], { providers: [OWNER] }), offer('clock', ['now'], { stateless: true }), offer('mail', ['send'], { providers: [], distant: `mail@${OWNER}` })]
    const s = setup([found('files', 'read', OWNER), found('clock', 'now'), found('mail', 'send', OWNER), found('mail', 'new', OWNER)], ...servers)
    expect((await s.far.search('x', 10)).tools.map(({ name }) => name)).toEqual(['mail__new'])
  })

  test('can be named for ten minutes; describing or calling one tells the hub', async () => {
    const s = setup([found('clock', 'now')])
    const { tools: [tool] } = await s.far.search('now', 10)
    expect(s.far.find('clock__now', undefined)).toBe(tool)
    expect(s.interests).toEqual([])
    s.definitions.clear()
    expect(await s.far.describe(tool as NonNullable<typeof tool>)).toEqual({ name: 'now', description: 'far away' })
    s.far.called(tool as NonNullable<typeof tool>)
    expect(s.interests).toEqual(['clock', 'clock'])
    s.clock.advance(REMEMBERED_FOR)
    expect(s.far.find('clock__now', undefined)).toBeUndefined()
  })

  test('one that came into the lists is looked up there; if the name is that of another server, nobody is called by mistake', async () => {
    const s = setup([found('clock', 'now')])
    await s.far.search('now', 10)
    s.offers.servers.push(offer('clock', ['now'], { stateless: true, providers: [], distant: 'clock' }))
    expect(s.far.find('clock__now', target('clock', 'now'))).toBeUndefined()
    s.offers.servers[0] = offer('clock', ['now'], { providers: [OWNER] })
    expect(s.far.find('clock__now', target('clock', 'now'))).toBe('moved')
  })

  test('only so many are remembered', async () => {
    const s = setup(Array.from({ length: MAX_REMEMBERED + 2 }, (_, n) => found('clock', `t${n}`)))
    await s.far.search('t', MAX_REMEMBERED + 2)
    expect([s.far.find('clock__t1', undefined), s.far.find('clock__t2', undefined)]).toMatchObject([undefined, { name: 'clock__t2' }])
  })

  test('a search that fails, takes too long or is given up finds nothing, says so, and harms nothing', async () => {
    const nothing = { tools: [], partial: true }
    expect(await setup(new Error('no hub')).far.search('x', 10)).toEqual(nothing)
    const slow = setup(new Promise<never>(() => {}))
    const searching = slow.far.search('x', 10)
    slow.clock.advance(SEARCH_WITHIN)
    expect(await searching).toEqual(nothing)
    expect(slow.asked[0]?.signal.aborted).toBe(true)
    const abort = new AbortController()
    const given = slow.far.search('x', 10, abort.signal)
    abort.abort()
    expect(await given).toEqual(nothing)
    expect(slow.clock.pending).toBe(0)
  })
})
