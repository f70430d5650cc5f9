import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { isSkeinError, SkeinError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { UpstreamTransport } from '../../../src/mcp/ports.ts'
import type { JsonRpcMessage } from '../../../src/wire/json-rpc.ts'
import { createUpstreamConnector } from '../../../src/mcp-io/connect.ts'
import { startBareHttpServer } from '../../support/bare-http-server.ts'
import { codeOf } from '../../support/mcp-calls.ts'
import { createMemoryServer } from '../../support/memory-upstream.ts'
import { waitUntil } from '../../support/wait-until.ts'

/** A transport to a server with the tools `slow` (progress, then a result) and one that never answers. */
interface Subject {
  transport: UpstreamTransport
  silentTool: string
  /** Ends the server under the transport's feet, with requests running. */
  kill(): void | Promise<void>
  /** A transport to a server that is not there. */
  nowhere(): UpstreamTransport
}

const connector = createUpstreamConnector({ clock: systemClock, logger: silentLogger })
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const makers: Record<string, () => Promise<Subject>> = {
  async memory() {
    const server = createMemoryServer()
    server.respond = (request, link) => {
      if (request.params?.name !== 'slow') return undefined
      const { progressToken } = request.params._meta as { progressToken: number }
      for (let progress = 1; progress <= 3; progress += 1) link.emit({ method: 'notifications/progress', params: { progressToken, progress } })
      return { content: [] }
    }
    const absent = createMemoryServer()
    absent.failStart = new SkeinError('SKEIN_UPSTREAM_DOWN', 'nobody there')
    return { transport: server.connect(), silentTool: 'hang', kill: () => server.last.die(), nowhere: () => absent.connect() }
  },
  async stdio() {
    const fixture = new URL('../../fixtures/echo-server.ts', import.meta.url).pathname
    const target = { kind: 'stdio', command: process.execPath, args: [fixture], env: {} } as const
    const transport = connector.connect(target, 'echo')
    cleanups.push(() => transport.close({ grace: 0 }))
    return {
      transport,
      silentTool: 'elicit',
      kill: () => void process.kill(transport.pid as number, 'SIGKILL'),
      nowhere: () => connector.connect({ ...target, command: 'no-such-command' }, 'nowhere')
    }
  },
  async http() {
    const server = await startBareHttpServer()
    const absent = await startBareHttpServer()
    await absent.kill()
    const transport = connector.connect({ kind: 'http', url: server.url, headers: {} }, 'http')
    cleanups.push(
      () => transport.close(),
      () => server.kill().catch(() => {})
    )
    return {
      transport,
      silentTool: 'hang',
      kill: () => server.kill(),
      nowhere: () => connector.connect({ kind: 'http', url: absent.url, headers: {} }, 'nowhere')
    }
  }
}

async function started(subject: Subject) {
  const { transport } = subject
  const messages: JsonRpcMessage[] = []
  const closes: (Error | undefined)[] = []
  transport.onMessage = (message) => void messages.push(message)
  transport.onClose = (error) => void closes.push(error)
  await transport.start({ signal: new AbortController().signal })
  const answered = (id: number) => messages.some((message) => !('method' in message) && message.id === id)
  await transport.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } })
  await waitUntil('initialize is answered', () => answered(1))
  await transport.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
  const call = (id: number, name: string) => transport.send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { burst: true, steps: 3, message: 'm' }, _meta: { progressToken: id } } })
  return { messages, closes, answered, call }
}

describe.each(Object.entries(makers))('%s', (_name, make) => {
  test('messages arrive in the order they were sent, progress before its result', async () => {
    const { messages, answered, call } = await started(await make())
    await call(2, 'slow')
    await waitUntil('the call is answered', () => answered(2))
    const own = messages.slice(1).map((message) => ('method' in message ? (message.params as { progress: number }).progress : 'result'))
    expect(own).toEqual([1, 2, 3, 'result'])
  })

  test('close is the last event, once, without an error, and idempotent; later sends are provably not delivered', async () => {
    const subject = await make()
    const { closes, call } = await started(subject)
    await Promise.all([subject.transport.close(), subject.transport.close()])
    await subject.transport.close()
    expect(closes).toEqual([undefined])
    expect(await codeOf(call(2, 'slow'))).toBe('SKEIN_UPSTREAM_DOWN')
    expect(subject.transport.pid).toBeUndefined()
  })

  test('when the server dies a running request is settled or in doubt, and a later one provably not run', async () => {
    const subject = await make()
    const { closes, call } = await started(subject)
    const running = codeOf(call(2, subject.silentTool))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await subject.kill()
    expect(['resolved', 'SKEIN_OUTCOME_UNKNOWN']).toContain(await running)
    // HTTP learns of it by the next request, a pipe by itself; until then a message may still be taken.
    await codeOf(call(3, subject.silentTool))
    await waitUntil('the link is over', () => closes.length > 0)
    expect(await codeOf(call(4, subject.silentTool))).toBe('SKEIN_UPSTREAM_DOWN')
    expect(closes).toHaveLength(1)
    expect(closes[0]).toBeInstanceOf(Error)
  })

  test('a server that is not there fails the start or the first send with a sentence', async () => {
    const transport = (await make()).nowhere()
    const error = await transport
      .start({ signal: new AbortController().signal })
      .then(() => transport.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } }))
      .then(() => undefined, (caught: unknown) => caught)
    expect(isSkeinError(error, 'SKEIN_CONFIG', 'SKEIN_UPSTREAM_DOWN')).toBe(true)
    await transport.close()
  })

  test('an aborted start rejects', async () => {
    const { transport } = await make()
    await expect(transport.start({ signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped')
    await transport.close()
  })
})
