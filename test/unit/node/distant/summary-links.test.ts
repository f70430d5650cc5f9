import { expect, test } from 'vitest'
import { linkSummary, listLimits } from '../../../../src/node/distant/summary-links.ts'
import type { DistantServer } from '../../../../src/wire/summary-types.ts'

const far = (tools: number): DistantServer => ({
  name: 's', claimed: 1, providers: 1, hops: 1, key: 's', from: ['H'], tools: Array.from({ length: tools }, (_, n) => ({ name: `t${n}`, digest: `${n}`, repeatable: false, providers: 1 }))
})

test('what hubs tell goes to the catalog, with the hub above, and changes of the catalog to the hubs', () => {
  const set: unknown[] = []
  let changed = 0
  let onCatalog = () => {}
  let onSummary = () => {}
  const edge: { up: string | undefined } = { up: undefined }
  let distant: DistantServer[] = []
  const again = linkSummary({
    catalog: { setDistant: (servers, above) => void set.push([servers.length, above]), onChange: (listener) => ((onCatalog = listener), () => {}) },
    summary: { distant: () => distant, onChange: (listener) => ((onSummary = listener), () => {}), catalogChanged: () => void changed++ },
    up: () => edge.up
  })
  distant = [far(1)]
  onSummary()
  edge.up = 'R'
  again()
  onCatalog()
  expect([set, changed]).toEqual([[[0, []], [1, []], [1, ['R']]], 1])
})

test.each([[0, false], [74, false], [75, true], [100, true]])('with %i distant tools of 100 there may be more: %s', (tools, more) => {
  expect(listLimits({ distant: () => [far(tools)] }, 100)).toEqual({ maxTools: 100, more })
})
