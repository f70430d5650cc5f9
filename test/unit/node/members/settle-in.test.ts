import { expect, test } from 'vitest'
import type { Member } from '../../../../src/membership/types.ts'
import { SETTLE_WITHIN, settleIn } from '../../../../src/node/members/settle-in.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

function setup(known: number, signal?: AbortSignal) {
  const clock = createManualClock()
  const world = {
    members: [] as string[], paths: new Set<string>(), records: new Set<string>(), definitions: new Set<string>(), digests: [] as string[],
    /** What records say: by default a server that nobody else has. */
    servers: {} as Record<string, { name: string; stateless: boolean; tools: { name: string }[] }[]>, draining: new Set<string>()
  }
  const ownServer = (peer: string) => [{ name: `only ${peer}`, stateless: true, tools: [{ name: 't' }] }]
  const member = (peer: string): Member => ({ peer, state: 'alive', incarnation: 1, boot: 1, name: peer, version: '1', addresses: [], tier: 'leaf', region: '', since: 0 })
  const done = { settled: false, error: undefined as unknown }
  const waiting = settleIn({
    clock, self: 'me', known,
    membership: { members: () => ['me', ...world.members].map(member) },
    reach: { path: (peer) => (world.paths.has(peer) ? { kind: 'direct', via: [] } : undefined) },
    catalog: {
      record: (peer) => (world.records.has(peer) ? ({ peer, draining: world.draining.has(peer), servers: world.servers[peer] ?? ownServer(peer) } as never) : undefined),
      definition: (digest) => (world.definitions.has(digest) ? {} : undefined),
      offers: () => ({ notices: [], taken: new Set<string>(), servers: [{ advertised: 's', server: 's', stateless: true, providers: [], tools: world.digests.map((digest) => ({ tool: 't', digest, repeatable: false, providers: [] })) }] })
    },
    ...(signal === undefined ? {} : { signal })
  })
  waiting.then(() => (done.settled = true), (error: unknown) => (done.error = error))
  const advance = async (ms: number) => {
    for (let left = ms; left > 0; left -= 20) {
      clock.advance(20)
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    }
  }
  return { world, done, advance, clock }
}

test('a node that has met nobody does not wait', async () => {
  const { done, clock } = setup(0)
  await Promise.resolve()
  await Promise.resolve()
  expect(done.settled).toBe(true)
  expect(clock.pending).toBe(0)
})

test('with all it knows it goes on at once when it reaches them, has their records and what they offer', async () => {
  const { world, done, advance } = setup(2)
  world.members = ['a', 'b']
  await advance(100)
  world.paths = new Set(['a', 'b'])
  await advance(100)
  world.digests = ['d']
  world.records = new Set(['a', 'b'])
  await advance(100)
  expect(done.settled).toBe(false)
  world.definitions.add('d')
  await advance(20)
  expect(done.settled).toBe(true)
})

test('it does not wait for a way to members that have only what reached replicas have', async () => {
  const { world, done, advance } = setup(4)
  world.members = ['a', 'b', 'c', 'd']
  world.paths = new Set(['a'])
  // Offered here is the server `s` of a, with the tool `t`.
  world.digests = ['d']
  world.definitions.add('d')
  const server = (name: string, ...tools: string[]) => ({ name, stateless: true, tools: tools.map((tool) => ({ name: tool })) })
  world.servers = { a: [server('s', 't')], b: [server('s', 't')], c: [], d: [server('other', 't')] }
  world.draining.add('d')
  world.records = new Set(['a', 'b', 'c'])
  await advance(100)
  // What d has is not known yet.
  expect(done.settled).toBe(false)
  for (const missing of [[server('s', 't', 'u')], [server('other')], [{ ...server('s', 't'), stateless: false }]]) {
    world.servers['b'] = missing
    world.records.add('d')
    await advance(100)
    expect(done.settled, JSON.stringify(missing)).toBe(false)
  }
  world.servers['b'] = [server('s', 't')]
  await advance(20)
  expect(done.settled).toBe(true)
})

test('of those that are gone it hears nothing, and waits only a little for others to mention them', async () => {
  const { world, done, advance } = setup(5)
  world.members = ['a']
  world.paths = new Set(['a', 'b'])
  world.records = new Set(['a'])
  await advance(200)
  expect(done.settled).toBe(false)
  // One more comes: it has to be reached too.
  world.members.push('b')
  await advance(400)
  expect(done.settled).toBe(false)
  world.records.add('b')
  await advance(280)
  expect(done.settled).toBe(true)
})

test('alone it gives up in time; a start that is given up waits no longer', async () => {
  const { done, advance } = setup(3)
  await advance(SETTLE_WITHIN - 40)
  expect(done.settled).toBe(false)
  await advance(60)
  expect(done.settled).toBe(true)
  const stop = new AbortController()
  const other = setup(3, stop.signal)
  await other.advance(100)
  stop.abort(new Error('stopped'))
  await other.advance(20)
  expect(other.done.error).toMatchObject({ message: 'stopped' })
})
