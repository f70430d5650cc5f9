import { describe, expect, test } from 'vitest'
import { computeOffers, type OfferFacts } from '../../../../src/federation/catalog/offers.ts'
import type { ServerEntry } from '../../../../src/wire/catalog-types.ts'
import { nodeRecord, server, WALL } from '../../../support/catalog-fixtures.ts'

interface Setup {
  local?: ServerEntry[]
  hidden?: string[]
  /** Peer to its servers. */
  others?: Record<string, ServerEntry[]>
  dead?: string[]
  draining?: string[]
}
function facts({ local = [], hidden = [], others = {}, dead = [], draining = [] }: Setup): OfferFacts {
  const peers = Object.keys(others)
  return {
    self: 'M-selfself', local, hidden: new Set(hidden), live: new Set(peers.filter((peer) => !dead.includes(peer))),
    records: peers.map((peer) => nodeRecord(peer, { name: `n-${peer[0]}`, servers: others[peer] as ServerEntry[], draining: draining.includes(peer) }))
  }
}
/** `advertised: tool@providers …` per server. */
const brief = (setup: Setup) =>
  computeOffers(facts(setup)).servers.map(({ advertised, tools }) => `${advertised}: ${tools.map(({ tool, providers }) => `${tool}@${providers.map((peer) => peer[0]).join('')}`).join(' ')}`)
const free = (tools: string[], more: Partial<ServerEntry> = {}) => server('s', tools, { stateless: true, ...more })
const A = 'A-aaaaaaaa'
const B = 'B-bbbbbbbb'
const Z = 'Z-zzzzzzzz'

describe('computeOffers', () => {
  test.each<[string, Setup, string[]]>([
    ['nothing', {}, []],
    ['local and remote servers, sorted', { local: [server('z', ['t'])], others: { [A]: [server('a', ['y', 'x'])] } }, ['a: x@A y@A', 'z: t@M']],
    ['nothing of a node without a session', { others: { [A]: [server('s', ['t'])] }, dead: [A] }, []],
    ['nothing of a node that is leaving', { others: { [A]: [server('s', ['t'])] }, draining: [A] }, []],
    ['stateless servers as replicas, local first', { local: [free(['t'])], others: { [A]: [free(['t'])], [Z]: [free(['t', 'u'])] } }, ['s: t@MAZ u@Z']],
    ['only the live replicas', { others: { [A]: [free(['t'])], [B]: [free(['t'])] }, dead: [A] }, ['s: t@B']],
    ['a stateful name to the earliest claim', { others: { [A]: [server('s', ['t'], { claimed: WALL + 1 })], [B]: [server('s', ['t'])] } }, ['s: t@B', 's-aaaaaaaa: t@A']],
    ['a tie to the lower peer id', { others: { [A]: [server('s', ['t'])], [B]: [server('s', ['t'])] } }, ['s: t@A', 's-bbbbbbbb: t@B']],
    ['a later local claimant under its long name', { local: [server('s', ['t'], { claimed: WALL + 1 })], others: { [A]: [server('s', ['t'])] } }, ['s: t@A', 's-selfself: t@M']],
    ['the stateless ones of a name that an earlier stateful one has as replicas under a name of their own', { others: { [A]: [free(['t'])], [B]: [server('s', ['t'], { claimed: WALL - 1 })], [Z]: [free(['t'])] } }, ['s: t@B', 's-replicas: t@AZ']],
    ['the long name although the first claimant lost its session', { others: { [A]: [server('s', ['t'])], [B]: [server('s', ['t'])] }, dead: [A] }, ['s-bbbbbbbb: t@B']],
    ['a hidden local server under its plain name', { local: [server('s', ['t'], { claimed: WALL + 9 })], hidden: ['s'], others: { [A]: [server('s', ['u'])] } }, ['s: t@M', 's-aaaaaaaa: u@A']],
    ['unique names even for a server called like a long name', { others: { [A]: [server('s', ['t']), server('s-bbbbbbbb', ['v'])], [B]: [server('s', ['t'])] } }, ['s: t@A', 's-bbbbbbbb: v@A', 's-bbbbbbbb_: t@B']]
  ])('offers %s', (_, setup, expected) => {
    expect(brief(setup)).toEqual(expected)
  })

  const one = (digest: string, repeatable = true) => server('s', [], { stateless: true, tools: [{ name: 't', digest, repeatable }] })
  test.each<[string, Setup, string, string]>([
    ['the local definition', { local: [one('ff')], others: { [A]: [one('aa')], [B]: [one('aa')] } }, 'ff', 'M'],
    ['the largest group', { others: { [A]: [one('aa')], [B]: [one('bb')], [Z]: [one('bb')] } }, 'bb', 'BZ'],
    ['the lowest digest of equal groups', { others: { [A]: [one('bb')], [B]: [one('aa')] } }, 'aa', 'B']
  ])('lists %s, provided by those who have it', (_, setup, digest, providers) => {
    const tool = computeOffers(facts(setup)).servers[0]?.tools[0]
    expect(tool?.digest).toBe(digest)
    expect(tool?.providers.map((peer) => peer[0]).join('')).toBe(providers)
  })

  test('a tool is repeatable only if every provider says so', () => {
    const repeatable = (b: boolean) => computeOffers(facts({ others: { [A]: [one('aa')], [B]: [one('aa', b)] } })).servers[0]?.tools[0]?.repeatable
    expect([repeatable(true), repeatable(false)]).toEqual([true, false])
  })

  test('a notice names both nodes and what to do', () => {
    const { notices } = computeOffers(facts({ others: { [A]: [server('s', ['t'])], [B]: [server('s', ['t'])] } }))
    expect(notices).toEqual([
      'The server "s" of node "n-B" is offered here as "s-bbbbbbbb", because node "n-A" claimed the name "s" first: ' +
        'rename one of them under mcp.servers, or set stateless: true on both if any instance may answer any call.'
    ])
  })

  test('the order of records does not matter', () => {
    const setup = facts({ others: { [A]: [server('s', ['t'])], [B]: [server('s', ['t']), free(['q'], { name: 'q' })], [Z]: [free(['q'], { name: 'q' })] } })
    expect(computeOffers({ ...setup, records: setup.records.toReversed() })).toEqual(computeOffers(setup))
  })
})

describe('what a server says about itself', () => {
  const shown = (setup: Setup) => computeOffers(facts(setup)).servers.map(({ advertised, about, providers }) => `${advertised}: ${about ?? '-'}@${providers.map((peer) => peer[0]).join('')}`)
  const says = (about: string | undefined, more: Partial<ServerEntry> = {}) => server('s', [], { ...(about === undefined ? {} : { about }), ...more })
  test.each<[string, Setup, string[]]>([
    ['a server without tools is there', { others: { [A]: [says('a1')] } }, ['s: a1@A']],
    ['a record of an earlier version has none', { others: { [A]: [says(undefined)] } }, ['s: -@A']],
    ['replicas: the local one, whatever the others say', { local: [says('z9', { stateless: true })], others: { [A]: [says('a1', { stateless: true })], [B]: [says('z9', { stateless: true })] } }, ['s: z9@MB']],
    ['replicas: the lowest digest', { others: { [A]: [says('b2', { stateless: true })], [B]: [says('a1', { stateless: true })], [Z]: [says('a1', { stateless: true })] } }, ['s: a1@BZ']],
    ['replicas of which some say nothing', { others: { [A]: [says(undefined, { stateless: true })], [B]: [says('a1', { stateless: true })] } }, ['s: a1@B']],
    ['replicas that all say nothing', { others: { [A]: [says(undefined, { stateless: true })], [B]: [says(undefined, { stateless: true })] } }, ['s: -@AB']],
    ['of nodes without a session nothing', { others: { [A]: [says('a1', { stateless: true })], [B]: [says('b2', { stateless: true })] }, dead: [A] }, ['s: b2@B']]
  ])('%s', (_, setup, expected) => expect(shown(setup)).toEqual(expected))
})
