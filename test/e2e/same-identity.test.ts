import { cpSync, rmSync } from 'node:fs'
import { describe, expect, test, type TestContext } from 'vitest'
import { echoServer, sees } from '../support/federation-checks.ts'
import { makeToken, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

/** Until words about a node cannot be of its earlier life any more (membership/self.ts), with room. */
const JOINED_MS = 6_000
/** Whoever knows the newer process tells the older one at its next word, a second at most; then that one drains and ends. Room for a busy machine, ms. */
const SUPERSEDED_WITHIN = 8_000

// Both mostly wait: side by side.
describe.concurrent('one identity', () => {
  /** Starts nodes that end with the test. */
  const starting = ({ onTestFinished }: TestContext) => async (options: Parameters<typeof startSkein>[0]): Promise<SkeinProcess> => {
    const node = await startSkein(options)
    onTestFinished(() => node.dispose())
    return node
  }

  async function members(node: SkeinProcess): Promise<Record<string, string>> {
    return Object.fromEntries((await node.members()).map(({ name, state }) => [name, state]))
  }

  test('in two processes: the older one ends and says why, the newer one stays', { timeout: 120_000 }, async (context) => {
    const started = starting(context)
    const founder = await started({ config: { node: { id: 'founder' }, mcp: { graph: { enabled: false } } } })
    const config = { node: { id: 'twin' }, mcp: echoServer('echo') }
    const older = await started({ config, token: await makeToken(founder) })
    await sees(founder, 'echo')
    await new Promise((resolve) => setTimeout(resolve, JOINED_MS))
    const copy = tempDataDir()
    cpSync(older.dataDir, copy, { recursive: true, filter: (path) => !/run\.json|\.sock$/.test(path) })
    const newer = await started({ dataDir: copy, config: { ...config, node: { id: 'copy' } } })
    const at = performance.now()
    expect(newer.status().peer).toBe(older.status().peer)
    await waitUntil('the older process ended', () => older.child.exitCode !== null, { timeout: SUPERSEDED_WITHIN })
    console.log(`the older process ended ${Math.round(performance.now() - at)} ms after the newer one was ready`)
    expect(older.child.exitCode).toBe(1)
    expect(older.output()).toContain('SKEIN_SUPERSEDED')
    expect(older.output()).toContain('give each node a data directory of its own')
    await waitUntil('the founder knows the newer one', async () => JSON.stringify(await members(founder)) === JSON.stringify({ copy: 'alive', founder: 'alive' }), { every: 250 })
    await sees(founder, 'echo')
    expect(newer.child.exitCode).toBeNull()
    rmSync(older.dataDir, { recursive: true, force: true })
  })

  test('killed and started again at once: it is the same member, and nobody is superseded', { timeout: 120_000 }, async (context) => {
    const started = starting(context)
    const founder = await started({ config: { node: { id: 'founder' }, mcp: { graph: { enabled: false } } } })
    const config = { node: { id: 'phoenix' }, mcp: echoServer('echo') }
    const first = await started({ config, token: await makeToken(founder) })
    await sees(founder, 'echo')
    await first.kill('SIGKILL')
    const again = await started({ dataDir: first.dataDir, config })
    await waitUntil('it is alive again', async () => (await members(founder))['phoenix'] === 'alive' && (await members(again))['founder'] === 'alive', { every: 250 })
    await sees(founder, 'echo')
    await new Promise((resolve) => setTimeout(resolve, JOINED_MS))
    expect(await members(founder)).toEqual({ founder: 'alive', phoenix: 'alive' })
    expect(again.child.exitCode).toBeNull()
  })
})
