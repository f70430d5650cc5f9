import { expect, test } from 'vitest'
import { createRouteViews } from '../../../../src/node/views/route-views.ts'

test('the trace has the way that the call took, whatever leads there now, and names for whoever has one', () => {
  const names = new Map([['P-self', 'edge'], ['P-hub', 'hub'], ['P-far', 'far']])
  const views = createRouteViews({ self: 'P-self', backend: { explain: () => undefined }, nameOf: (peer) => names.get(peer) ?? '', via: () => ['P-now'] })
  const { trace, onAttempt } = views.trace('c1')
  const attempt = { why: 'only', expected: 1, ended: 'ok', ms: 2 } as const
  onAttempt({ ...attempt, peer: 'P-far', via: ['P-hub', '12D3KooWunknownabcdefgh'] })
  onAttempt({ ...attempt, peer: 'P-self', via: [] })
  expect(trace).toEqual({
    correlation: 'c1',
    attempts: [
      { ...attempt, peer: 'P-far', name: 'far', path: ['P-self', 'P-hub', '12D3KooWunknownabcdefgh', 'P-far'], names: ['edge', 'hub', 'abcdefgh', 'far'] },
      { ...attempt, peer: 'P-self', name: 'edge', path: ['P-self'], names: ['edge'] }
    ]
  })
})
