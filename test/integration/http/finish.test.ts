import { request, type IncomingMessage } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { createHttpEdge } from '../../../src/http/server.ts'
import { createFakeNodeApi } from '../../support/fake-node-api.ts'

const BYTES = 8 * 1024 * 1024
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** An edge that answers with more than sockets hold, and a client that has the headers and has not read on. */
async function start() {
  const edge = createHttpEdge(
    { api: createFakeNodeApi(), mcpHttp: { handle: (_req, res) => void res.end(Buffer.alloc(BYTES)) }, httpApi: { handle() {} }, logger: silentLogger, meter: createMeter() },
    { host: '127.0.0.1', port: 0 }
  )
  ends.push(() => edge.stop())
  const { mcpUrl } = await edge.start()
  const res = await new Promise<IncomingMessage>((resolve, reject) => request(mcpUrl, resolve).on('error', reject).end())
  return { edge, res }
}

test('an answer on its way to a client that reads slowly arrives whole although all connections are ended then', async () => {
  const { edge, res } = await start()
  let read = 0
  edge.stopAccepting()
  const ended = edge.finish(20_000).then(() => edge.stop())
  res.on('data', (chunk: Buffer) => {
    read += chunk.length
    res.pause()
    setTimeout(() => res.resume(), 1)
  })
  await Promise.all([ended, new Promise((resolve, reject) => res.once('end', resolve).once('error', reject))])
  expect(read).toBe(BYTES)
})

test('one that does not read at all is waited for as long as was said', async () => {
  const { edge, res } = await start()
  res.on('error', () => {})
  const began = performance.now()
  edge.stopAccepting()
  await edge.finish(100)
  expect(performance.now() - began).toBeGreaterThanOrEqual(99)
  expect(performance.now() - began).toBeLessThan(5_000)
})

test('with nobody there it is over at once', async () => {
  const { edge, res } = await start()
  res.resume()
  await new Promise((resolve) => res.once('end', resolve))
  edge.stopAccepting()
  const began = performance.now()
  await edge.finish(20_000)
  expect(performance.now() - began).toBeLessThan(5_000)
})
