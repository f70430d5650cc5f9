import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { StartFlags } from '../../../src/cli/context.ts'
import { createFakeNodeApi } from '../../support/fake-node-api.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { runCommand } from '../../support/run-command.ts'

function setup() {
  const api = createFakeNodeApi()
  const signals = new EventEmitter()
  const clock = createManualClock()
  const given: StartFlags[] = []
  let end = () => {}
  let fail = (_error: Error) => {}
  const stopped = new Promise<void>((resolve, reject) => {
    end = resolve
    fail = reject
  })
  const startNode = async (flags: StartFlags) => {
    given.push(flags)
    return { api, stopped }
  }
  const run = (...argv: string[]) => runCommand(['start', ...argv], { actions: { startNode }, io: { signals, clock, cwd: '/w' } })
  return { api, signals, clock, given, end: () => end(), fail: (error: Error) => fail(error), run }
}

/** Lets the command get to its waiting: promises only, no time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  await new Promise((resolve) => setImmediate(resolve))
}

describe('skein start', () => {
  test('flags reach the node, typed, and only those that were given', async () => {
    const node = setup()
    node.end()
    await node.run('--config', 'n.yaml', '--data-dir', 'd', '--http-port', '0', '--metrics-port', '9999', '--listen', '/a', '--listen', '/b', '--token', 't', '--hub-tier', 'local', '--parent', 'hub-eu')
    expect(node.given).toEqual([
      { fallbackDataDir: '/nonexistent/.local/state/skein', config: 'n.yaml', dataDir: '/w/d', httpPort: 0, metricsPort: 9999, listen: ['/a', '/b'], token: 't', hubTier: 'local', parent: 'hub-eu' }
    ])
  })

  test('the banner has what a person needs next', async () => {
    const node = setup()
    node.end()
    const { code, stdout } = await node.run()
    expect(code).toBe(0)
    for (const part of ['http://127.0.0.1:8080/mcp', '/ip4/192.0.2.1/tcp/4001', '/ip6/2001:db8::1', 'npx skein join skein1abc', 'http://127.0.0.1:9090/metrics', 'server memory is down']) {
      expect(stdout).toContain(part)
    }
  })

  test('--json prints one line of JSON', async () => {
    const node = setup()
    node.end()
    const { stdout } = await node.run('--json')
    expect(stdout.split('\n')).toHaveLength(2)
    expect(JSON.parse(stdout)).toMatchObject({ mcpUrl: 'http://127.0.0.1:8080/mcp' })
  })

  test('a signal stops gracefully; its echo from npm does not hurry it; no listener is left', async () => {
    const node = setup()
    node.api.onStop(async () => {})
    const running = node.run()
    await settle()
    node.signals.emit('SIGINT')
    node.clock.advance(100)
    node.signals.emit('SIGINT')
    await settle()
    expect(node.api.asked.map((entry) => entry.what)).toEqual(['stop'])
    node.end()
    expect((await running).code).toBe(0)
    expect(node.signals.eventNames()).toEqual([])
  })

  test('a second signal later ends at once', async () => {
    const node = setup()
    const running = node.run()
    await settle()
    node.signals.emit('SIGTERM')
    node.clock.advance(2000)
    node.signals.emit('SIGINT')
    expect((await running).code).toBe(130)
  })

  test('SIGHUP reloads', async () => {
    const node = setup()
    const running = node.run()
    await settle()
    node.signals.emit('SIGHUP')
    await settle()
    expect(node.api.asked.map((entry) => entry.what)).toEqual(['reload'])
    node.end()
    await running
  })

  test('a node that fails while running gives its reason and code 1', async () => {
    const node = setup()
    const running = node.run()
    await settle()
    node.fail(new Error('the disk is full'))
    expect(await running).toMatchObject({ code: 1, stderr: 'skein: the disk is full [SKEIN_INTERNAL]\n' })
  })

  describe('while the node is starting', () => {
    function starting() {
      const node = setup()
      const start = Promise.withResolvers<never>()
      let aborted = false
      const startNode = async (_flags: StartFlags, { signal }: { signal: AbortSignal }) => {
        signal.addEventListener('abort', () => (aborted = true))
        return await start.promise
      }
      const running = runCommand(['start'], { actions: { startNode }, io: { signals: node.signals, clock: node.clock, cwd: '/w' } })
      return { ...node, running, aborted: () => aborted, fail: (error: Error) => start.reject(error) }
    }

    test('a signal gives the start up: code 0 and a sentence', async () => {
      const node = starting()
      await settle()
      node.signals.emit('SIGTERM')
      expect(node.aborted()).toBe(true)
      node.fail(new SkeinError('SKEIN_CANCELLED', 'the node was stopped before it was ready'))
      expect(await node.running).toMatchObject({ code: 0, stdout: '', stderr: 'skein: the node was stopped before it was ready\n' })
      expect(node.signals.eventNames()).toEqual([])
    })

    test('a second signal does not wait for that', async () => {
      const node = starting()
      await settle()
      node.signals.emit('SIGTERM')
      node.clock.advance(2000)
      node.signals.emit('SIGTERM')
      expect((await node.running).code).toBe(130)
    })

    test('SIGHUP does no harm', async () => {
      const node = starting()
      await settle()
      node.signals.emit('SIGHUP')
      expect(node.aborted()).toBe(false)
      node.fail(new SkeinError('SKEIN_PORT_IN_USE', 'busy'))
      expect((await node.running).code).toBe(5)
    })
  })
})
