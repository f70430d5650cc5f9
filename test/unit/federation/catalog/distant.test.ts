import { describe, expect, test } from 'vitest'
import { computeOffers, type FormerClaim, type OfferFacts } from '../../../../src/federation/catalog/offers.ts'
import type { ServerEntry } from '../../../../src/wire/catalog-types.ts'
import { summaryKey, type DistantServer, type SummaryTool } from '../../../../src/wire/summary-types.ts'
import { nodeRecord, server, WALL } from '../../../support/catalog-fixtures.ts'

const SELF = 'M-selfself'
const A = 'A-aaaaaaaa'
const B = 'B-bbbbbbbb'

interface Setup {
  local?: ServerEntry[]
  others?: Record<string, ServerEntry[]>
  dead?: string[]
  draining?: string[]
  distant?: DistantServer[]
  former?: FormerClaim[]
  max?: number
}
function facts({ local = [], others = {}, dead = [], draining = [], distant = [], former = [], max }: Setup): OfferFacts {
  const peers = Object.keys(others)
  return {
    self: SELF, local, hidden: new Set(), live: new Set(peers.filter((peer) => !dead.includes(peer))), distant, former,
    records: peers.map((peer) => nodeRecord(peer, { name: `n-${peer[0]}`, servers: others[peer] as ServerEntry[], draining: draining.includes(peer) })),
    ...(max === undefined ? {} : { maxDistantTools: max })
  }
}
const toolOf = (name: string, digest: string, providers = 1, repeatable = true): SummaryTool => ({ name, digest, repeatable, providers })
function far(name: string, owner: string | undefined, more: Partial<DistantServer> = {}): DistantServer {
  const tools = more.tools ?? server(name, ['t']).tools.map((tool) => ({ ...tool, providers: 1 }))
  return { name, ...(owner === undefined ? {} : { owner, node: `n-${owner[0]}` }), claimed: WALL, providers: 1, hops: 1, key: summaryKey({ name, ...(owner === undefined ? {} : { owner }) }), from: ['H'], ...more, tools }
}
/** `advertised: tool@near providers>key`. */
const brief = (setup: Setup) =>
  computeOffers(facts(setup)).servers.map(({ advertised, tools }) =>
    `${advertised}: ${tools.map(({ tool, providers, distant }) => `${tool}@${providers.map((peer) => peer[0]).join('')}${distant === undefined ? '' : `>${distant}`}`).join(' ')}`)
const free = (tools: string[], more: Partial<ServerEntry> = {}) => server('s', tools, { stateless: true, ...more })

describe('servers beyond the pools', () => {
  test.each<[string, Setup, string[]]>([
    ['one that only they have', { distant: [far('s', A)] }, [`s: t@>s@${A}`]],
    ['replicas near and far as one server', { others: { [A]: [free(['t'])] }, distant: [far('s', undefined)] }, ['s: t@A>s']],
    ['distant replicas alone', { distant: [far('s', undefined)] }, ['s: t@>s']],
    ['an owned one by its claim: the earlier one far', { others: { [B]: [server('s', ['t'])] }, distant: [far('s', A, { claimed: WALL - 1 })] }, [`s: t@>s@${A}`, 's-bbbbbbbb: t@B']],
    ['an owned one by its claim: the later one far', { others: { [B]: [server('s', ['t'])] }, distant: [far('s', A, { claimed: WALL + 1 })] }, ['s: t@B', `s-aaaaaaaa: t@>s@${A}`]],
    ['distant replicas with an earlier stateful one near', { others: { [B]: [server('s', ['t'], { claimed: WALL - 1 })] }, distant: [far('s', undefined)] }, ['s: t@B', 's-replicas: t@>s']],
    ['nothing that the owner itself does not say any more', { others: { [A]: [] }, distant: [far('s', A)] }, []],
    ['nothing of an owner that says it is leaving', { others: { [A]: [server('s', ['t'])] }, draining: [A], distant: [far('s', A)] }, []],
    ['one whose owner left this pool for another', { others: { [A]: [server('s', ['t'])] }, dead: [A], distant: [far('s', A)] }, [`s: t@>s@${A}`]],
    ['the near way of an owner that is in both', { others: { [A]: [server('s', ['t'])] }, distant: [far('s', A)] }, ['s: t@A']],
    ['nothing of this node from afar', { distant: [far('s', SELF)] }, []]
  ])('offers %s', (_, setup, expected) => {
    expect(brief(setup)).toEqual(expected)
  })

  const one = (digest: string) => server('s', [], { stateless: true, tools: [{ name: 't', digest, repeatable: true }] })
  test.each<[string, Setup, string, string, string | undefined]>([
    ['the local definition', { local: [one('ff')], distant: [far('s', undefined, { tools: [toolOf('t', 'aa', 9)] })] }, 'ff', 'M', undefined],
    ['the largest group by nodes, the distant one', { others: { [A]: [one('aa')], [B]: [one('aa')] }, distant: [far('s', undefined, { tools: [toolOf('t', 'bb', 3)] })] }, 'bb', '', 's'],
    ['the largest group by nodes, near ones', { others: { [A]: [one('bb')], [B]: [one('bb')] }, distant: [far('s', undefined, { tools: [toolOf('t', 'aa', 1)] })] }, 'bb', 'AB', undefined],
    ['the lowest digest of equal groups', { others: { [A]: [one('bb')] }, distant: [far('s', undefined, { tools: [toolOf('t', 'aa', 1)] })] }, 'aa', '', 's'],
    ['a group of both', { others: { [A]: [one('aa')], [B]: [one('bb')] }, distant: [far('s', undefined, { tools: [toolOf('t', 'aa', 1)] })] }, 'aa', 'A', 's']
  ])('lists %s', (_, setup, digest, providers, distant) => {
    const tool = computeOffers(facts(setup)).servers[0]?.tools[0]
    expect([tool?.digest, tool?.providers.map((peer) => peer[0]).join(''), tool?.distant]).toEqual([digest, providers, distant])
  })

  test('a tool is repeatable only if the distant ones say so too', () => {
    const repeatable = (b: boolean) => computeOffers(facts({ others: { [A]: [one('aa')] }, distant: [far('s', undefined, { tools: [toolOf('t', 'aa', 2, b)] })] })).servers[0]?.tools[0]?.repeatable
    expect([repeatable(true), repeatable(false)]).toEqual([true, false])
  })

  test('what a near one says about itself goes before what a distant one does; without near ones that is shown', () => {
    const shown = (setup: Setup) => computeOffers(facts(setup)).servers.map(({ about, providers, distant }) => [about, providers.length, distant])
    const says = (about: string) => server('s', [], { stateless: true, about })
    expect(shown({ others: { [A]: [says('bb')] }, distant: [far('s', undefined, { about: 'aa' })] })).toEqual([['bb', 1, undefined]])
    expect(shown({ others: { [A]: [says('aa')] }, distant: [far('s', undefined, { about: 'aa' })] })).toEqual([['aa', 1, 's']])
    expect(shown({ distant: [far('s', undefined, { about: 'aa' })] })).toEqual([['aa', 0, 's']])
  })

  test('the longest silence of any of them holds, and the distance is told', () => {
    const [offer] = computeOffers(facts({ others: { [A]: [free(['t'], { timeout: 5 })] }, distant: [far('s', undefined, { timeout: 9, hops: 3 })] })).servers
    expect([offer?.timeout, offer?.hops]).toEqual([9, 3])
  })

  test('at most so many tools are offered from afar, whole servers, the nearest first; the rest keeps its claims', () => {
    const many = (name: string, count: number, hops: number) => far(name, A, { hops, tools: Array.from({ length: count }, (_, n) => toolOf(`t${n}`, `${n}`)) })
    const setup = { distant: [many('c', 2, 1), many('a', 2, 2), many('big', 9, 1), many('b', 2, 2)], others: { [B]: [server('b', ['t'], { claimed: WALL + 1 })] }, max: 4 }
    const offers = computeOffers(facts(setup))
    expect(offers.servers.map(({ advertised }) => advertised)).toEqual(['a', 'b-bbbbbbbb', 'c'])
    expect([...offers.taken].sort()).toEqual(['a', 'b', 'b-bbbbbbbb', 'big', 'c'])
  })

  test('a conflict is told of where somebody can do something about it', () => {
    const near = computeOffers(facts({ others: { [B]: [server('s', ['t'])] }, distant: [far('s', A, { claimed: WALL - 1 })] }))
    expect(near.notices).toEqual([expect.stringContaining('The server "s" of node "n-B" is offered here as "s-bbbbbbbb", because node "n-A" claimed the name "s" first')])
    const distant = computeOffers(facts({ distant: [far('s', A, { claimed: WALL - 1 }), far('s', B)] }))
    expect(distant.notices).toEqual([])
    expect(distant.servers[1]?.notice).toContain('"s-bbbbbbbb"')
  })
})

describe('names stay', () => {
  const names = (setup: Setup) => computeOffers(facts(setup)).servers.map(({ advertised, tools }) => `${advertised} ${tools[0]?.distant ?? tools[0]?.providers[0]}`)
  const second = server('s', ['t'], { claimed: WALL + 1 })

  test('when a server is seen first from afar and then in the own pool', () => {
    const local = [second]
    expect(names({ local, distant: [far('s', A)] })).toEqual([`s s@${A}`, `s-selfself ${SELF}`])
    expect(names({ local, distant: [far('s', A)], others: { [A]: [server('s', ['t'])] } })).toEqual([`s ${A}`, `s-selfself ${SELF}`])
    expect(names({ local, others: { [A]: [server('s', ['t'])] } })).toEqual([`s ${A}`, `s-selfself ${SELF}`])
  })

  test('when nothing is told for a while: a claim is remembered, until its owner says otherwise', () => {
    const local = [second]
    const former: FormerClaim[] = [{ name: 's', owner: A, node: 'n-A', claimed: WALL }]
    expect(names({ local, former })).toEqual([`s-selfself ${SELF}`])
    expect(names({ local, former, others: { [A]: [] } })).toEqual([`s ${SELF}`])
    expect(names({ local, former, distant: [far('s', A, { claimed: WALL })] })).toEqual([`s s@${A}`, `s-selfself ${SELF}`])
    expect(names({ local })).toEqual([`s ${SELF}`])
  })

  test('of replicas, wherever they are', () => {
    const earlier = server('s', ['t'], { claimed: WALL - 1 })
    for (const setup of [{ others: { [B]: [earlier], [A]: [free(['t'])] } }, { others: { [B]: [earlier] }, distant: [far('s', undefined)] }]) {
      expect(computeOffers(facts(setup)).servers.map(({ advertised }) => advertised)).toEqual(['s', 's-replicas'])
    }
  })
})
