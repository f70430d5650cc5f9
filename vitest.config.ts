import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Real processes and handshakes share two cores with everything else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'parts', include: ['test/{unit,sim,contract,fuzz,integration}/**/*.test.ts'], maxWorkers: 2, sequence: { groupOrder: 0 } }
      },
      {
        // One file at a time, after everything else: these start several nodes each and some say how fast something must happen.
        extends: true,
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], maxWorkers: 1, fileParallelism: false, sequence: { groupOrder: 1 } }
      }
    ]
  }
})
