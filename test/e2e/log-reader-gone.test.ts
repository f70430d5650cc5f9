import { describe, expect, test } from 'vitest'
import { startSkein } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

describe('a node whose output nobody reads any more', () => {
  test.each([['standard error'], ['standard output'], ['both']])('%s closed: it still stops on SIGTERM, as under `skein start | tee` and Ctrl-C', async (which) => {
    const node = await startSkein({ config: { mcp: { graph: { enabled: false } }, monitoring: { log_level: 'debug' } } })
    try {
      if (which !== 'standard output') node.child.stderr?.destroy()
      if (which !== 'standard error') node.child.stdout?.destroy()
      // Something to log meets the closed pipe while the node runs, too.
      expect((await node.cli('reload')).code).toBe(0)
      node.child.kill('SIGTERM')
      await waitUntil('the node has ended', () => node.child.exitCode !== null || node.child.signalCode !== null, { timeout: 5_000 })
      expect(node.child.exitCode).toBe(0)
    } finally {
      await node.kill('SIGKILL')
      await node.dispose()
    }
  })
})
