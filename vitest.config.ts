import { defineConfig } from 'vitest/config'

/** These say how fast something must happen, or load a whole machine: one file at a time, after everything else. */
const TIMED = [
  'bad-providers', 'drain', 'failover', 'loaded-node', 'members', 'membership-processes', 'relay-blocked', 'replicas', 'rolling-update', 'routing-scenarios',
  'routing-scenarios-hub', 'tiers', 'tiers-flat'
].map((name) => `test/e2e/${name}.test.ts`)

export default defineConfig({
  test: {
    // Real processes and handshakes share two cores with everything else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    setupFiles: ['test/support/own-temp-dir.ts'],
    projects: [
      {
        extends: true,
        // Nothing of these has a state of its own (no singletons), so a worker needs no new process for each of some hundred short files.
        test: { name: 'parts', include: ['test/{unit,sim,contract,fuzz}/**/*.test.ts'], isolate: false, maxWorkers: 2, sequence: { groupOrder: 0 } }
      },
      {
        extends: true,
        test: { name: 'integration', include: ['test/integration/**/*.test.ts'], maxWorkers: 2, sequence: { groupOrder: 0 } }
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], exclude: TIMED, maxWorkers: 2, sequence: { groupOrder: 1 } }
      },
      {
        extends: true,
        test: { name: 'e2e-timed', include: TIMED, maxWorkers: 1, fileParallelism: false, sequence: { groupOrder: 2 } }
      }
    ]
  }
})
