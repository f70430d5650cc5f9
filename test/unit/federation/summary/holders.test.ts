import { expect, test } from 'vitest'
import { holdersOf } from '../../../../src/federation/summary/holders.ts'
import { createTable } from '../../../../src/federation/summary/table.ts'
import { makeBody, makeRow } from '../../../../src/wire/summary-row.ts'
import { toolDigest } from '../../../../src/wire/catalog-record.ts'

const digestOf = (name: string) => toolDigest({ name })
function table(...servers: [name: string, tools: string[], about?: string][]) {
  const made = createTable()
  for (const [name, tools, about] of servers) {
    const body = makeBody({ name, ...(about === undefined ? {} : { about }), tools: tools.map((tool) => ({ name: tool, digest: digestOf(tool), repeatable: true })) })
    made.set(body.key, makeRow({ body, claimed: 1, providers: 1, hops: 1 }))
  }
  return made
}

test('hubs are found by the definitions that their tables tell of', () => {
  const sources = [
    { peer: 'below', last: 'below', table: table(['s', ['a', 'b']], ['words', [], digestOf('about')]) },
    { peer: undefined, last: 'lost', table: table(['t', ['b']]) },
    { peer: undefined, last: undefined, table: table(['t', ['b']]) },
    { peer: 'above', last: 'above', table: table(['u', ['c', 'b']]) }
  ]
  // One that only begins like a known one.
  const alike = `${digestOf('a').slice(0, 8)}${'0'.repeat(56)}`
  const found = holdersOf(sources, new Set([...['a', 'b', 'about', 'none'].map(digestOf), alike]))
  expect(Object.fromEntries(found)).toEqual({ [digestOf('a')]: ['below'], [digestOf('b')]: ['below', 'lost', 'above'], [digestOf('about')]: ['below'] })
})
