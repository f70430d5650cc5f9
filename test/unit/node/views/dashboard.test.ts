import { expect, test } from 'vitest'
import { createTallyBook } from '../../../../src/net/discovery/stats.ts'
import { createDashboard, dashboardOf } from '../../../../src/node/views/dashboard.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const NOTHING = { total: 0, successful: 0, failed: 0, success_rate: 0, avg_duration_ms: 0 }
const WORKFLOWS = { total: 0, active: 0, completed: 0, failed: 0, success_rate: 0, avg_duration_ms: 0, by_status: {}, last_workflow: null }

function books() {
  const [discoveries, bootstraps] = [createTallyBook(), createTallyBook()]
  return { discoveries, bootstraps, read: () => ({ discoveries: discoveries.read(), bootstraps: bootstraps.read() }) }
}

test('before anything was tried: zeros, nobody divides by them, and null for times', () => {
  expect(dashboardOf(books().read())).toEqual({
    peer_discovery: { ...NOTHING, by_source: {}, last_discovery: null },
    workflows: WORKFLOWS,
    bootstrap: { total_attempts: 0, successful: 0, failed: 0, success_rate: 0, avg_duration_ms: 0, by_method: {}, last_bootstrap: null }
  })
})

test('the shape and the numbers of the guide: by_source has the successful ones, by_method all', () => {
  const { discoveries, bootstraps, read } = books()
  for (let n = 0; n < 2; n++) discoveries.count('known_peers', 'success', 100, 1_700_000_000_000)
  discoveries.count('ipfs_nodes', 'failure', 50, 1_700_000_001_000)
  bootstraps.count('ipfs_nodes', 'failure', 300, 1_700_000_002_000)
  bootstraps.count('ipfs_nodes', 'failure', 300, 1_700_000_003_000)
  bootstraps.count('file_based', 'success', 301, 1_700_000_004_000)
  expect(dashboardOf(read())).toEqual({
    peer_discovery: { total: 3, successful: 2, failed: 1, success_rate: 66.7, avg_duration_ms: 83.3, by_source: { known_peers: 2 }, last_discovery: '2023-11-14T22:13:21.000Z' },
    workflows: WORKFLOWS,
    bootstrap: { total_attempts: 3, successful: 1, failed: 2, success_rate: 33.3, avg_duration_ms: 300.3, by_method: { ipfs_nodes: 2, file_based: 1 }, last_bootstrap: '2023-11-14T22:13:24.000Z' }
  })
})

test('is made anew every 30 s', () => {
  const clock = createManualClock()
  const { discoveries, read } = books()
  const dashboard = createDashboard(clock, read)
  expect(dashboard().peer_discovery.total).toBe(0)
  discoveries.count('token', 'success', 1, 1)
  clock.advance(29_999)
  expect(dashboard().peer_discovery.total).toBe(0)
  clock.advance(1)
  expect(dashboard().peer_discovery.total).toBe(1)
})
