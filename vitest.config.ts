import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/{unit,sim,contract,fuzz,integration,e2e}/**/*.test.ts'],
    // Real processes and handshakes share two cores with everything else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default']
  }
})
