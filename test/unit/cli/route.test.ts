import { describe, expect, test } from 'vitest'
import { traceText } from '../../../src/cli/commands/call.ts'
import { routeText } from '../../../src/cli/commands/route.ts'
import type { RouteCandidate, RouteExplanation } from '../../../src/node/api.ts'

const candidate: RouteCandidate = {
  peer: '12D3KooWB', name: 'beta', local: false, relayed: false, path: 12.44, pathFrom: 'measured', service: 5, ahead: 3.2, capacity: 8, reliability: 0.951, standing: 'good',
  warmth: 1, dampedFor: 0, expected: 17.64, cost: 32, near: true
}
const explanation: RouteExplanation = {
  tool: 'graph__echo', server: 'graph',
  choice: { peer: '12D3KooWB', name: 'beta', path: ['12D3KooWA', '12D3KooWB'], why: 'lighter', expected: 17.64 },
  candidates: [
    candidate,
    { ...candidate, peer: '12D3KooWA', name: 'alpha', local: true, path: 0, pathFrom: 'local', standing: 'damped', near: false, whyNot: 'it failed again and again: avoided for 12 s more' },
    { ...candidate, peer: '12D3KooWC', name: '', relayed: true, near: false, whyNot: 'an answer takes 80.0 ms longer' }
  ]
}

describe('skein route explain', () => {
  test('shows the figures, who gets the call and why the others do not', () => {
    expect(routeText(explanation)).toBe(
      [
        'PROVIDER      STANDING  PATH              SERVICE  CALLS  ANSWERED  EXPECTED  WHY NOT',
        'beta          good      12.4 ms measured  5.0 ms   3/8    95 %      17.6 ms   chosen',
        'alpha (here)  damped    -                 5.0 ms   3/8    95 %      17.6 ms   it failed again and again: avoided for 12 s more',
        '12D3KooWC     good      12.4 ms relayed   5.0 ms   3/8    95 %      17.6 ms   an answer takes 80.0 ms longer',
        '',
        'A call of graph__echo now goes to beta: the less loaded of two that are near the best.'
      ].join('\n')
    )
  })

  test('says that nobody can take it, and lets no name forge lines', () => {
    const { choice: _, ...rest } = explanation
    expect(routeText({ ...rest, candidates: [] })).toContain('Nobody can take a call of graph__echo now.')
    expect(routeText({ ...explanation, choice: { peer: 'x', name: 'a\nb\u001b[2J', path: [], why: 'only', expected: 1 } })).toContain('goes to a b [2J: nobody')
  })
})

test('the trace of a call has a line for each attempt', () => {
  const attempt = { peer: '12D3KooWB', name: 'beta', path: ['12D3KooWA', '12D3KooWB'], names: ['alpha', 'beta'], why: 'best', expected: 17.64, ms: 3.21, ended: 'SKEIN_BUSY' } as const
  expect(traceText({ correlation: 'abc', attempts: [attempt, { ...attempt, peer: '12D3KooWC', name: '', path: ['12D3KooWA', '12D3KooWX', '12D3KooWC'], names: ['alpha', 'hub', '12D3KooWC'], why: 'only', ended: 'ok' }, { ...attempt, path: ['12D3KooWA'], names: ['alpha'], why: 'local' }] })).toBe(
    [
      'correlation abc',
      'PROVIDER   PATH                     WHY                                       EXPECTED  TOOK    ENDED',
      'beta       direct                   nobody else is near its expected time     17.6 ms   3.2 ms  SKEIN_BUSY',
      '12D3KooWC  alpha > hub > 12D3KooWC  nobody else offers it                     17.6 ms   3.2 ms  ok',
      'beta       here                     this node itself is as good as any other  17.6 ms   3.2 ms  SKEIN_BUSY'
    ].join('\n')
  )
})
