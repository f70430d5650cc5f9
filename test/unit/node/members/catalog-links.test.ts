import { expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import type { CatalogDriver } from '../../../../src/federation/catalog/driver.ts'
import { catalogNetwork, linkCatalog, type CatalogLinkDeps } from '../../../../src/node/members/catalog-links.ts'
import type { ServerExchange } from '../../../../src/rpc/types.ts'
import { catalogTopic, METHOD } from '../../../../src/wire/protocols.ts'

function setup() {
  const topics = new Map<string, (bytes: Uint8Array, from: string) => void>()
  const handlers = new Map<number, (exchange: ServerExchange) => void>()
  const heard: string[] = []
  const published: string[] = []
  let onPool: (pool: string, open: boolean) => void = () => {}
  let answer: Uint8Array | Promise<Uint8Array> = new Uint8Array(1)
  const host = {
    subscribe: (topic: string, listener: (bytes: Uint8Array, from: string) => void) => void topics.set(topic, listener),
    unsubscribe: (topic: string) => void topics.delete(topic),
    publish: async (topic: string) => void published.push(topic)
  } as unknown as CatalogLinkDeps['host']
  const catalog = {
    pools: () => ['root'],
    onPool: (listener: typeof onPool) => ((onPool = listener), () => {}),
    onGossip: (pool: string, bytes: Uint8Array, from: string) => void heard.push(`${pool} ${bytes.length} ${from}`),
    answer: () => answer
  } as unknown as CatalogDriver
  const rpc = { handle: (method: number, handler: (exchange: ServerExchange) => void) => void handlers.set(method, handler) } as unknown as CatalogLinkDeps['rpc']
  linkCatalog({ host, rpc, reach: { onLive: () => () => {}, live: () => [] } as unknown as CatalogLinkDeps['reach'], catalog, federation: 'fed' })
  const ask = (given: typeof answer) => {
    answer = given
    const ended: (number | string)[] = []
    const exchange = { body: new Uint8Array(), peer: 'p', end: (body: Uint8Array) => void ended.push(body.length), fail: (error: SkeinError) => void ended.push(error.code) }
    handlers.get(METHOD.CATALOG_DEFINITIONS)?.(exchange as unknown as ServerExchange)
    return ended
  }
  return { topics, heard, published, host, ask, pool: (pool: string, open: boolean) => onPool(pool, open) }
}

test('each pool has a topic as long as it is open, and its messages go to that pool', () => {
  const { topics, heard, pool } = setup()
  expect([...topics.keys()]).toEqual([catalogTopic('fed', 'root')])
  pool('second', true)
  topics.get(catalogTopic('fed', 'second'))?.(new Uint8Array(3), 'b')
  topics.get(catalogTopic('fed', 'root'))?.(new Uint8Array(2), 'a')
  expect(heard).toEqual(['second 3 b', 'root 2 a'])
  pool('root', false)
  expect([...topics.keys()]).toEqual([catalogTopic('fed', 'second')])
})

test('what is published in a pool goes to its topic', () => {
  const { host, published } = setup()
  catalogNetwork(host, { call: () => Promise.reject(new Error('not asked')) }, 'fed', silentLogger).publish('second', new Uint8Array(1))
  expect(published).toEqual([catalogTopic('fed', 'second')])
})

test('an answer that has to be fetched first is sent when it is there', async () => {
  const { ask } = setup()
  expect(ask(new Uint8Array(4))).toEqual([4])
  const later = Promise.withResolvers<Uint8Array>()
  const ended = ask(later.promise)
  expect(ended).toEqual([])
  later.resolve(new Uint8Array(5))
  await later.promise
  await Promise.resolve()
  expect(ended).toEqual([5])
  const failed = ask(Promise.reject(new SkeinError('SKEIN_BUSY', 'too much')))
  await new Promise((resolve) => void queueMicrotask(() => queueMicrotask(() => resolve(undefined))))
  expect(failed).toEqual(['SKEIN_BUSY'])
})
