import { describe, expect, test } from 'vitest'
import type { SkeinError } from '../../../src/base/errors.ts'
import { TICKET_LIFE } from '../../../src/rpc/relay/tickets.ts'
import { signerFromSeed, type Signer } from '../../../src/wire/envelope.ts'
import { METHOD } from '../../../src/wire/protocols.ts'
import { MAX_ORIGIN, RELAYABLE, RELAYABLE_FROM_AFAR, RELAY_ATTRIBUTE, encodeOrigin, relayHeader, sealTicket } from '../../../src/wire/relay.ts'
import { createReachNet, credentialFor, type ReachNode } from '../../support/reach-net.ts'
import { createFounder } from '../../support/security-world.ts'

const bytes = (size: number) => new Uint8Array(size).fill(7)
const codeOf = async (promise: Promise<unknown>) => promise.then(() => 'ok', ({ code }: SkeinError) => code)

/** Two leaves at the ends of a tree: leaf - local - regional - regional - local - leaf, each in the pools of its neighbours only. */
async function tree(options: Parameters<typeof createReachNet>[2] = {}) {
  const world = await createReachNet(6, [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]], { pools: [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]], ...options })
  await world.net.advance(2_600)
  const [a, l, r, r2, l2, b] = world.nodes as [ReachNode, ReachNode, ReachNode, ReachNode, ReachNode, ReachNode]
  const relays = [l, r, r2, l2]
  const via = relays.map(({ id }) => id)
  const value = (node: ReachNode, name: string, label?: string) => node.meter.snapshot().find((metric) => metric.name === name)?.samples.find(({ labels }) => label === undefined || labels[0] === label)?.value
  return { ...world, a, l, r, r2, l2, b, relays, via, value }
}

describe('an exchange with a node of another pool', () => {
  test('goes over four hubs, and is served as from its origin, whose credential the handler does not see', async () => {
    const { net, a, b, via, value } = await tree()
    a.reach.suggest(b.id, { via, rtt: 12 })
    expect(a.reach.path(b.id)).toMatchObject({ kind: 'relayed', via, rtt: 12 })
    const exchange = a.reach.open(b.id, METHOD.MCP_CALL, bytes(100_000), { timeout: 5_000 })
    await net.run()
    const [served] = b.served
    expect(served).toMatchObject({ peer: a.id, via, method: METHOD.MCP_CALL })
    expect([...(served?.header.attributes?.keys() ?? [])]).toEqual([1])
    expect(served?.header.hops).toBe(1)
    served?.end(bytes(3))
    await net.run()
    expect((await exchange.answer).body).toHaveLength(3)
    expect(value(b, 'skein_rpc_relay_exchanges_total', 'received')).toBe(1)
  })

  test('what is between members of a pool only is not even sent', async () => {
    const { net, a, b, via } = await tree()
    a.reach.suggest(b.id, { via })
    for (const method of RELAYABLE) {
      if (RELAYABLE_FROM_AFAR.has(method)) continue
      const outcome = codeOf(a.reach.call(b.id, method, bytes(1), { timeout: 500 }))
      await net.run()
      expect(await outcome, String(method)).toBe('SKEIN_UNDELIVERED')
    }
    expect(RELAYABLE.has(METHOD.TIER_ATTACH)).toBe(false)
  })
})

describe('the target refuses', () => {
  interface Forged {
    origin?: Uint8Array | undefined
    method?: number
    as?: { peer: string; ticket: Uint8Array }
  }
  async function hostile(options: Parameters<typeof createReachNet>[2] = {}) {
    const world = await tree(options)
    const { net, a, b, l, via } = world
    const ticketOf = (signer = a.signer) => sealTicket({ federation: 'f', target: b.id, relays: via, expires: net.clock.wall() + TICKET_LIFE, nonce: new Uint8Array(8) }, signer)
    async function send({ origin, method = METHOD.ECHO, as = { peer: a.id, ticket: ticketOf() } }: Forged, from: ReachNode = a) {
      const head = { path: from === a ? [as.peer] : [as.peer, from.id], target: b.id, method, ticket: as.ticket, ...(origin === undefined ? {} : { origin }) }
      const result = a.rpc === from.rpc ? from.rpc.call(l.id, METHOD.RELAY, bytes(3), { timeout: 1_000, header: relayHeader(undefined, head, 5) }) : from.rpc.call(via[1] as string, METHOD.RELAY, bytes(3), { timeout: 1_000, header: relayHeader(undefined, head, 4) })
      const answer = result.then(() => ({ code: 'ok', relay: undefined }), ({ code, data }: SkeinError) => ({ code, relay: (data as { relay?: string } | undefined)?.relay }))
      await net.run()
      return answer
    }
    const good = encodeOrigin(credentialFor(a.id))
    return { ...world, send, ticketOf, good }
  }

  test('nothing that is as it should be', async () => {
    const { send, good } = await hostile()
    expect((await send({ origin: good })).code).toBe('ok')
  })

  test('no credential, a foreign one, an expired one, one of another peer, a damaged one', async () => {
    const { net, a, b, send, good, value } = await hostile()
    const refused = { code: 'SKEIN_NOT_ADMITTED', relay: b.id }
    expect(await send({})).toEqual(refused)
    expect(await send({ origin: encodeOrigin(credentialFor(a.id, { issuer: createFounder(98) })) })).toEqual(refused)
    expect(await send({ origin: encodeOrigin(credentialFor(b.id)) })).toEqual(refused)
    const damaged = good.slice()
    damaged[damaged.length - 1]! ^= 1
    expect(await send({ origin: damaged })).toEqual(refused)
    expect(await send({ origin: bytes(50) })).toEqual(refused)
    expect((await send({ origin: bytes(MAX_ORIGIN + 1) })).code).toBe('SKEIN_PROTOCOL')
    const short = encodeOrigin(credentialFor(a.id, { expires: net.clock.wall() + 60_000 }))
    expect((await send({ origin: short })).code).toBe('ok')
    // What was found good is not believed for longer than it lasts.
    net.clock.advance(600_000)
    expect(b.origins.standing(a.id, short)).toBe(false)
    expect(b.origins.standing(a.id, good)).toBe(true)
    expect(value(b, 'skein_rpc_relay_refused_total', 'origin')).toBe(5)
  })

  test('one that is banned, at once, although its credential is known here', async () => {
    const banned = new Set<string>()
    const { a, b, send, good } = await hostile({ banned })
    expect((await send({ origin: good })).code).toBe('ok')
    banned.add(a.id)
    expect(await send({ origin: good })).toEqual({ code: 'SKEIN_NOT_ADMITTED', relay: b.id })
  })

  test('the credential of one member with the ticket of another', async () => {
    const { a, send, ticketOf, good } = await hostile()
    const stranger = signerFromSeed(new Uint8Array(32).fill(77))
    // A key that nobody admitted, with the credential of a: the ticket says who it is.
    expect((await send({ origin: good, as: { peer: stranger.peer, ticket: ticketOf(stranger) } })).code).toBe('SKEIN_NOT_ADMITTED')
    expect((await send({ origin: good, as: { peer: a.id, ticket: ticketOf(stranger) } })).code).toBe('SKEIN_NOT_ADMITTED')
  })

  test('what only members of its pools may ask for', async () => {
    const { b, send, good } = await hostile()
    for (const method of [METHOD.CATALOG_PUSH, METHOD.QUORUM_ACCEPT, METHOD.SUMMARY_SYNC]) expect(await send({ origin: good, method }), String(method)).toEqual({ code: 'SKEIN_BAD_REQUEST', relay: b.id })
  })
})

describe('a hub refuses', () => {
  test('who is in none of its pools, though there is a session', async () => {
    const { net, a, r, b, link, via } = await tree()
    await link(a, r)
    const head = { path: [a.id], target: b.id, method: METHOD.ECHO, ticket: a.tickets.make(b.id, via.slice(1)), origin: encodeOrigin(credentialFor(a.id)) }
    const outcome = codeOf(a.rpc.call(r.id, METHOD.RELAY, bytes(1), { timeout: 1_000, header: relayHeader(undefined, head, 5) }))
    await net.run()
    expect(await outcome).toBe('SKEIN_NOT_ADMITTED')
  })

  test('to pass on to a node that is in none of its pools and not the target', async () => {
    const { net, a, l, r2, l2, b, link } = await tree()
    await link(l, r2)
    const over = [l.id, r2.id, l2.id]
    const head = { path: [a.id], target: b.id, method: METHOD.ECHO, ticket: a.tickets.make(b.id, over), origin: encodeOrigin(credentialFor(a.id)) }
    const outcome = codeOf(a.rpc.call(l.id, METHOD.RELAY, bytes(1), { timeout: 1_000, header: relayHeader(undefined, head, 5) }))
    await net.run()
    expect(await outcome).toBe('SKEIN_UNDELIVERED')
  })

  test('a neighbour that makes up origins, before it has taken all memory', async () => {
    const { net, l, r, b, r2, l2, block, value } = await tree({ relay: { maxBytesPerNeighbour: 10_000 } })
    const relays = [l.id, r.id, r2.id, l2.id]
    const bring = (signer: Signer, path: string[]) => {
      const ticket = sealTicket({ federation: 'f', target: b.id, relays, expires: net.clock.wall() + TICKET_LIFE, nonce: new Uint8Array(8) }, signer)
      return codeOf(l.rpc.call(r.id, METHOD.RELAY, bytes(1_000), { timeout: 60_000, header: relayHeader(undefined, { path, target: b.id, method: METHOD.MCP_CALL, ticket, origin: bytes(10) }, 4) }))
    }
    // What came so far stays where it is.
    block(r2, l2)
    const made = Array.from({ length: 10 }, (_, seed) => signerFromSeed(Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 200 : seed))))
    for (const signer of made) void bring(signer, [signer.peer, l.id])
    await net.run()
    expect(value(r, 'skein_rpc_relay_running')).toBe(10)
    const more = signerFromSeed(new Uint8Array(32).fill(201))
    const refused = bring(more, [more.peer, l.id])
    await net.run()
    expect(await refused).toBe('SKEIN_BUSY')
    // A member is known, and has its own share; the next hub does not know it, and counts it for this one.
    const ticket = l.tickets.make(b.id, [r.id, r2.id, l2.id])
    const own = l.rpc.call(r.id, METHOD.RELAY, bytes(1_000), { timeout: 60_000, header: relayHeader(undefined, { path: [l.id], target: b.id, method: METHOD.MCP_CALL, ticket }, 4) })
    const from = own.then(() => 'ok', ({ code, data }: SkeinError) => ({ code, data }))
    await net.run()
    expect(await from).toEqual({ code: 'SKEIN_BUSY', data: { relay: r2.id } })
  })
})

test('the credential stands beside the other facts of a relayed OPEN, and not without need', async () => {
  const { net, a, l, b, r, via } = await tree()
  a.reach.suggest(b.id, { via })
  const headers: ReadonlyMap<number, Uint8Array>[] = []
  const { open } = a.rpc
  a.rpc.open = (peer, method, body, options) => {
    if (method === METHOD.RELAY) headers.push(options.header?.attributes ?? new Map())
    return open(peer, method, body, options)
  }
  a.reach.call(b.id, METHOD.ECHO, bytes(1), { timeout: 1_000 }).catch(() => {})
  // A member of the same pool behind a relay needs none.
  a.reach.memberUp(r.id)
  a.reach.suggest(r.id, { via: [l.id] })
  a.reach.call(r.id, METHOD.ECHO, bytes(1), { timeout: 1_000 }).catch(() => {})
  await net.run()
  expect(headers.map((attributes) => attributes.has(RELAY_ATTRIBUTE.ORIGIN))).toEqual([true, false])
})
