import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** These say how fast something must be, in fractions of a second, or load the whole machine: one file at a time, after everything else. */
const TIMED = ['bad-providers', 'failover', 'loaded-node', 'relay-blocked', 'replicas', 'rolling-update', 'routing-scenarios'].map((name) => `test/e2e/${name}.test.ts`)

/** Those that take longest, the longest first: begun last, one alone would hold up the end. How long the others take matters to nobody. */
const LONG = [
  'fuzz/fuzz', 'integration/net/relay', 'sim/catalog', 'integration/node-bans', 'sim/membership/scenarios-cluster', 'integration/net/dht-providers',
  'e2e/tiers', 'e2e/tiers-flat', 'e2e/clients', 'e2e/join', 'e2e/kills', 'e2e/kills-own-node', 'e2e/routing-flaps', 'e2e/membership-processes'
].map((name) => `/test/${name}.test.ts`)

function rank({ moduleId }: TestSpecification): number {
  const at = LONG.findIndex((name) => moduleId.endsWith(name))
  return at === -1 ? LONG.length : at
}

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const group = ({ project }: TestSpecification) => project.config.sequence.groupOrder
    return (await super.sort(files)).toSorted((a, b) => group(a) - group(b) || rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    // Real processes and handshakes share two cores with everything else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    setupFiles: ['test/support/own-temp-dir.ts'],
    sequence: { sequencer: LongFirst },
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
