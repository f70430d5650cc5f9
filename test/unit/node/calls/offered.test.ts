import { describe, expect, test } from 'vitest'
import type { OfferedServer } from '../../../../src/federation/catalog/offers.ts'
import { createVisible } from '../../../../src/node/calls/offered.ts'
import type { Json } from '../../../../src/wire/json-rpc.ts'

const offer = (advertised: string, tools: string[], more: Partial<OfferedServer> = {}): OfferedServer => ({
  advertised, server: advertised, stateless: false, providers: ['p'], tools: tools.map((tool) => ({ tool, digest: `d-${tool}`, repeatable: false, providers: ['p'] })), ...more
})

function setup(...known: string[]) {
  const documents = new Map<string, Json>(known.map((name) => [`d-${name}`, { name }]))
  return { documents, visible: createVisible((digest) => documents.get(digest)) }
}

describe('what clients of this node see', () => {
  test('lists what has been fetched, and the rest when it is there', () => {
    const { documents, visible } = setup('a')
    const offers = [offer('s', ['a', 'b'], { about: 'd-about', timeout: 5, notice: 'n' })]
    const [first] = visible(offers)
    expect(first).toMatchObject({ server: 's', advertised: 's', name: 's', providers: ['p'], about: undefined, timeout: 5, notice: 'n', tools: [{ tool: 'a', target: { digest: 'd-a', timeout: 5, notice: 'n' } }] })
    documents.set('d-b', { name: 'b' })
    documents.set('d-about', { capabilities: { prompts: {} }, prompts: [{ name: 'p' }, { noname: 1 }], resources: 'none' })
    const [second] = visible(offers)
    expect(second?.tools.map(({ tool }) => tool)).toEqual(['a', 'b'])
    expect(second?.tools[0]).toBe(first?.tools[0])
    expect(second?.about).toEqual({ capabilities: { prompts: {} }, serverInfo: {}, prompts: [{ name: 'p' }], resources: [], resourceTemplates: [] })
  })

  test('keeps every object that did not change', () => {
    const { visible } = setup('a', 'b')
    const [s, other] = visible([offer('s', ['a']), offer('other', ['b'])])
    const [again, moved] = visible([offer('s', ['a']), offer('other', ['b'], { providers: ['q'] })])
    expect(again).toBe(s)
    expect(moved).not.toBe(other)
    expect(moved?.providers).toEqual(['q'])
    expect(moved?.tools[0]).toBe(other?.tools[0])
    const [more] = visible([offer('s', ['a', 'b'])])
    expect(more?.tools[0]).toBe(s?.tools[0])
    expect(visible([])).toEqual([])
    expect(visible([offer('s', ['a'])])[0]).not.toBe(s)
  })

  test('what changed stays as it was until the new text is there, what is new or of somebody else does not', () => {
    const { documents, visible } = setup('a')
    documents.set('d-about', { capabilities: { prompts: {} } })
    visible([offer('s', ['a'], { about: 'd-about' })])
    const changed = offer('s', [], { about: 'd-about2', tools: [{ tool: 'a', digest: 'd-a2', repeatable: false, providers: ['p'] }] })
    const [between] = visible([changed])
    expect(between).toMatchObject({ about: { capabilities: { prompts: {} } }, tools: [{ tool: 'a', definition: { name: 'a' }, target: { digest: 'd-a2' } }] })
    documents.set('d-about2', { capabilities: { tools: {} } })
    documents.set('d-a2', { name: 'a', title: 'new' })
    expect(visible([changed])[0]).toMatchObject({ about: { capabilities: { tools: {} } }, tools: [{ definition: { title: 'new' } }] })
    const [foreign] = visible([offer('s', [], { about: 'd-about3', providers: ['q'], tools: [{ tool: 'a', digest: 'd-a3', repeatable: false, providers: ['q'] }] })])
    expect(foreign).toMatchObject({ about: undefined, tools: [] })
  })
})
