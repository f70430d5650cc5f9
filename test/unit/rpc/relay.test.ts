import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { MAX_PER_ORIGIN } from '../../../src/rpc/relay/relay.ts'
import { TICKET_LIFE } from '../../../src/rpc/relay/tickets.ts'
import { METHOD } from '../../../src/wire/protocols.ts'
import { encodeWayQuestion, relayHeader, sealTicket } from '../../../src/wire/relay.ts'
import { createReachNet, type ReachNet, type ReachNode } from '../../support/reach-net.ts'
import type { ClientExchange, ServerExchange } from '../../../src/rpc/types.ts'

const MIB = 1_048_576
const bytes = (size: number, seed = 0) => Uint8Array.from({ length: size }, (_, index) => (index * 31 + seed) & 0xff)
const outcome = async (promise: Promise<unknown>) => promise.then(() => ({ code: 'ok', data: undefined }), ({ code, data }: SkeinError) => ({ code, data }))

/** a - c - b, where c relays; d is linked with c and b too. */
async function bridged(options: Parameters<typeof createReachNet>[2] = {}) {
  const world = await createReachNet(4, [[0, 2], [2, 1], [2, 3], [3, 1]], options)
  await world.net.advance(2_600)
  const [a, b, c, d] = world.nodes as [ReachNode, ReachNode, ReachNode, ReachNode]
  expect(a.reach.path(b.id)?.via).toEqual([c.id])
  async function served(exchange: ClientExchange): Promise<{ exchange: ClientExchange; served: ServerExchange }> {
    await world.net.run()
    return { exchange, served: b.served.at(-1) as ServerExchange }
  }
  const value = (node: ReachNode, name: string, label?: string) => node.meter.snapshot().find((metric) => metric.name === name)?.samples.find(({ labels }) => label === undefined || labels[0] === label)?.value
  return { ...world, a, b, c, d, served, value }
}

describe('a relayed exchange', () => {
  test.each([['small', 100], ['large', 2 * MIB]])('comes from its origin with method, header and body: %s', async (_, size) => {
    const { net, a, b, c, served } = await bridged()
    const trace = { traceId: bytes(16, 1), spanId: bytes(8, 2), flags: 1 }
    const { exchange, served: there } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(size), { timeout: 5_000, header: { trace, attributes: new Map([[3, bytes(7)]]) } }))
    const before = a.rpc.session(c.id)?.load
    expect(there).toMatchObject({ peer: a.id, via: [c.id], method: METHOD.MCP_CALL })
    expect(Buffer.compare(there.body, bytes(size))).toBe(0)
    expect(there.header.trace).toEqual(trace)
    expect(there.header.hops).toBe(4)
    expect([...(there.header.attributes?.keys() ?? [])].sort()).toEqual([1, 3])
    expect(new Uint8Array(there.header.attributes!.get(3)!)).toEqual(bytes(7))
    expect(there.deadline - net.clock.now()).toBeLessThanOrEqual(5_000)
    there.end(bytes(size, 5), 77)
    await net.run()
    const answer = await exchange.answer
    expect(Buffer.compare(answer.body, bytes(size, 5))).toBe(0)
    expect(answer.load).toBe(77)
    // That was the target's.
    expect(a.rpc.session(c.id)?.load).toBe(before)
  })

  test('messages go both ways in order; what renews, renews at all three', async () => {
    const { net, a, b, served } = await bridged()
    const heard: number[] = []
    const { exchange, served: there } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 1_000, onMessage: (message, renew) => heard.push(message[0] as number, Number(renew)) }))
    const told: number[] = []
    there.onMessage((message) => told.push(message[0] as number))
    for (const n of [1, 2, 3]) exchange.send(Uint8Array.of(n))
    await net.run()
    expect(told).toEqual([1, 2, 3])
    for (let tenth = 0; tenth < 5; tenth++) {
      await net.advance(700)
      there.send(Uint8Array.of(tenth), { renew: true })
    }
    there.send(Uint8Array.of(9))
    await net.run()
    there.end(bytes(1))
    await net.run()
    expect((await exchange.answer).body.length).toBe(1)
    expect(heard).toEqual([0, 1, 1, 1, 2, 1, 3, 1, 4, 1, 9, 0])
  })

  test('an error keeps code, message, data and load', async () => {
    const { net, a, b, served } = await bridged()
    const { exchange, served: there } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 1_000 }))
    there.fail(new SkeinError('SKEIN_UPSTREAM_DOWN', 'it is down', { data: { server: 's' } }), 5)
    await net.run()
    expect(await outcome(exchange.answer)).toEqual({ code: 'SKEIN_UPSTREAM_DOWN', data: { server: 's' } })
    expect(exchange.load).toBe(5)
    // It was no fault of the relay.
    expect(a.reach.path(b.id)?.kind).toBe('relayed')
  })

  test('a cancel and a deadline reach the target', async () => {
    const { net, a, b, c, served, value } = await bridged()
    const reasons: string[] = []
    const { exchange, served: first } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 60_000 }))
    first.onCancel((reason) => reasons.push(reason.code))
    expect(value(c, 'skein_rpc_relay_running')).toBe(1)
    exchange.cancel('enough')
    await net.run()
    const { exchange: late, served: second } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 200 }))
    second.onCancel((reason) => reasons.push(reason.code))
    await net.advance(400)
    expect(reasons).toEqual(['SKEIN_CANCELLED', 'SKEIN_DEADLINE'])
    expect((await outcome(late.answer)).code).toBe('SKEIN_DEADLINE')
    expect(value(c, 'skein_rpc_relay_running')).toBe(0)
    expect(a.reach.path(b.id)?.kind).toBe('relayed')
  })

  test('the origin is gone: the target is told to stop', async () => {
    const { net, a, b, c, served, unlink } = await bridged()
    const { served: there } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 60_000 }))
    const reasons: string[] = []
    there.onCancel((reason) => reasons.push(reason.code))
    await unlink(a, c)
    await net.run()
    expect(reasons).toEqual(['SKEIN_SESSION_CLOSED'])
  })

  test('the relay loses the target: unknown, for it had left', async () => {
    const { net, a, b, c, served, unlink } = await bridged()
    const { exchange } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 60_000 }))
    await unlink(c, b)
    await net.run()
    expect(await outcome(exchange.answer)).toEqual({ code: 'SKEIN_OUTCOME_UNKNOWN', data: { relay: c.id } })
  })

  test('what a relay passes on is not its load', async () => {
    const { net, a, b, c, d, served } = await bridged()
    const { served: there } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 60_000 }))
    const other = d.rpc.call(c.id, METHOD.ECHO, bytes(1), { timeout: 1_000 })
    await net.run()
    expect((await other).load).toBe(0)
    there.end(bytes(1))
    await net.run()
  })

  test.each(['to the origin', 'to the target'])('a slow reader holds up the sender, not the memory of the relay: 64 MiB %s', async (way) => {
    const { net, a, b, c, served } = await bridged()
    const size = 65_536
    const total = 64 * MIB
    const received = { bytes: 0 }
    const count = (message: Uint8Array) => void (received.bytes += message.length)
    const { exchange, served: there } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 600_000, onMessage: count }))
    there.onMessage(count)
    const [sender, reader] = way === 'to the origin' ? [there, exchange] : [exchange, there]
    let sent = 0
    const more = () => {
      while (sent < total && sender.queued < 4 * size) {
        sender.send(new Uint8Array(size))
        sent += size
      }
    }
    sender.onLeft(more)
    reader.pause()
    more()
    await net.run()
    const kept = () => {
      const at = (name: string) => c.meter.snapshot().find((metric) => metric.name === name)?.samples[0]?.value ?? 0
      return at('skein_rpc_queue_bytes') + at('skein_rpc_buffered_bytes')
    }
    // Held at the reader, queued and held at the relay, queued at the sender: a window each, not more.
    expect(sent).toBeLessThan(2 * MIB)
    expect(received.bytes).toBe(0)
    let most = kept()
    while (received.bytes < total) {
      reader.resume()
      await net.run()
      reader.pause()
      await net.run()
      most = Math.max(most, kept())
    }
    expect(received.bytes).toBe(total)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThan(MIB)
  })
})

describe('a relay refuses', () => {
  interface Forged {
    path?: string[]
    hops?: number
    ticket?: Uint8Array
    method?: number
    target?: string
  }
  async function hostile() {
    const world = await bridged()
    const { net, a, b, c, d } = world
    const ticket = (origin: ReachNode, relays: ReachNode[], more: { target?: string; federation?: string; life?: number } = {}) =>
      sealTicket(
        { federation: more.federation ?? 'f', target: more.target ?? b.id, relays: relays.map(({ id }) => id), expires: net.clock.wall() + (more.life ?? TICKET_LIFE), nonce: new Uint8Array(8) },
        origin.signer
      )
    /** What `from` sends to `to` as it likes. */
    async function send(from: ReachNode, to: ReachNode, forged: Forged) {
      const head = { path: forged.path ?? [from.id], target: forged.target ?? b.id, method: forged.method ?? METHOD.ECHO, ticket: forged.ticket ?? ticket(from, [to]) }
      const answer = from.rpc.call(to.id, METHOD.RELAY, bytes(3), { timeout: 1_000, header: relayHeader(undefined, head, forged.hops ?? 5) })
      const result = outcome(answer)
      await net.run()
      return (await result).code
    }
    return { ...world, a, b, c, d, ticket, send }
  }

  test('nothing that is as it should be', async () => {
    const { a, c, send } = await hostile()
    expect(await send(a, c, {})).toBe('ok')
  })

  test('loops and used-up hops', async () => {
    const { a, b, c, d, ticket, send } = await hostile()
    expect(await send(a, c, { hops: 0 })).toBe('SKEIN_HOPS')
    // The node finds itself on the path.
    expect(await send(d, c, { path: [a.id, c.id, d.id], ticket: ticket(a, [c, d, c]) })).toBe('SKEIN_HOPS')
    expect(await send(a, c, { path: [a.id, b.id, a.id] })).toBe('SKEIN_HOPS')
    // One more hop than there are left.
    expect(await send(a, c, { hops: 1, ticket: ticket(a, [c, d]) })).toBe('SKEIN_HOPS')
  })

  test('origins that did not sign', async () => {
    const { a, b, c, d, ticket, send } = await hostile()
    // d says that a asks, with a ticket of its own, …
    expect(await send(d, c, { path: [a.id, d.id], ticket: ticket(d, [d, c]) })).toBe('SKEIN_NOT_ADMITTED')
    // … or as a itself, …
    expect(await send(d, c, { path: [a.id], ticket: ticket(a, [c]) })).toBe('SKEIN_NOT_ADMITTED')
    // … or replays what it saw of a's calls over c, straight to the target.
    expect(await send(d, b, { path: [a.id, d.id], ticket: ticket(a, [c]) })).toBe('SKEIN_NOT_ADMITTED')
    expect(await send(d, b, { path: [a.id, c.id, d.id], ticket: ticket(a, [c]) })).toBe('SKEIN_NOT_ADMITTED')
    expect(await send(d, b, { path: [a.id, c.id], ticket: ticket(a, [c]) })).toBe('SKEIN_NOT_ADMITTED')
  })

  test('tickets for others, of others, over, or damaged', async () => {
    const { a, b, c, d, ticket, send } = await hostile()
    expect(await send(a, c, { ticket: ticket(a, [d]) })).toBe('SKEIN_NOT_ADMITTED')
    expect(await send(a, c, { ticket: ticket(a, [c], { target: d.id }) })).toBe('SKEIN_NOT_ADMITTED')
    expect(await send(a, c, { ticket: ticket(a, [c], { federation: 'other' }) })).toBe('SKEIN_NOT_ADMITTED')
    expect(await send(a, c, { ticket: ticket(a, [c], { life: -120_000 }) })).toBe('SKEIN_NOT_ADMITTED')
    expect(await send(a, c, { ticket: ticket(a, [c], { life: 3_600_000 }) })).toBe('SKEIN_NOT_ADMITTED')
    const damaged = ticket(a, [c])
    damaged[damaged.length - 1]! ^= 1
    expect(await send(a, c, { ticket: damaged })).toBe('SKEIN_NOT_ADMITTED')
    expect(await send(a, c, { ticket: bytes(50) })).toBe('SKEIN_NOT_ADMITTED')
    expect(await send(a, c, { ticket: bytes(5_000) })).toBe('SKEIN_PROTOCOL')
    expect(b.served).toEqual([])
  })

  test('methods between neighbours, unknown ones, and targets it does not reach', async () => {
    const { a, c, ticket, send } = await hostile()
    expect(await send(a, c, { method: METHOD.ADMISSION_REDEEM })).toBe('SKEIN_BAD_REQUEST')
    expect(await send(a, c, { method: METHOD.RELAY })).toBe('SKEIN_BAD_REQUEST')
    expect(await send(a, c, { method: METHOD.MCP_END_SESSION })).toBe('SKEIN_NOT_FOUND')
    expect(await send(a, c, { target: 'nobody', ticket: ticket(a, [c], { target: 'nobody' }) })).toBe('SKEIN_UNDELIVERED')
  })

  test('more than one node may have passed on at a time', async () => {
    const { net, a, b, c, served, value } = await bridged()
    const running = Array.from({ length: MAX_PER_ORIGIN }, () => a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 60_000 }))
    await net.run()
    expect(value(c, 'skein_rpc_relay_running')).toBe(MAX_PER_ORIGIN)
    const one = a.rpc.call(c.id, METHOD.RELAY, bytes(1), { timeout: 1_000, header: relayHeader(undefined, { path: [a.id], target: b.id, method: METHOD.ECHO, ticket: a.tickets.make(b.id, [c.id]) }, 5) })
    await net.run()
    expect(await outcome(one)).toEqual({ code: 'SKEIN_BUSY', data: { relay: c.id } })
    expect(value(c, 'skein_rpc_relay_refused_total', 'busy')).toBe(1)
    for (const exchange of b.served) exchange.end(bytes(1))
    await net.run()
    expect(await Promise.all(running.map(({ answer }) => answer))).toHaveLength(MAX_PER_ORIGIN)
    expect(value(c, 'skein_rpc_relay_running')).toBe(0)
    expect((await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 1_000 }))).served).toBeDefined()
  })

  test("more than one node's requests may take of its memory, whatever runs of others", async () => {
    const { net, a, b, c, d, served, value } = await bridged({ relay: { maxBytesPerOrigin: 100_000, maxBytes: 150_000 } })
    /** As if b were far from it. */
    const send = (from: ReachNode, size: number) =>
      from.rpc.open(c.id, METHOD.RELAY, bytes(size), { timeout: 60_000, header: relayHeader(undefined, { path: [from.id], target: b.id, method: METHOD.MCP_CALL, ticket: from.tickets.make(b.id, [c.id]) }, 5) })
    const refused = async (from: ReachNode, size: number) => {
      const result = outcome(send(from, size).answer)
      await net.run()
      return result
    }
    const first = await served(send(a, 60_000))
    const second = await served(send(a, 40_000))
    expect(await refused(a, 1)).toEqual({ code: 'SKEIN_BUSY', data: { relay: c.id } })
    const other = await served(send(d, 50_000))
    expect(await refused(d, 1)).toEqual({ code: 'SKEIN_BUSY', data: { relay: c.id } })
    expect(value(c, 'skein_rpc_relay_refused_total', 'busy')).toBe(2)
    expect(value(c, 'skein_rpc_relay_running')).toBe(3)

    // Whichever way one ends, its bytes are free again.
    second.exchange.cancel('enough')
    await net.run()
    first.served.fail(new SkeinError('SKEIN_UPSTREAM_DOWN', 'no'))
    other.served.end(bytes(1))
    await net.run()
    await Promise.allSettled([first.exchange.answer, second.exchange.answer])
    const whole = await served(send(a, 100_000))
    await served(send(d, 50_000))
    expect(value(c, 'skein_rpc_relay_running')).toBe(2)
    expect(whole.served.body.length).toBe(100_000)
  })

  test('anything new while it drains; what runs finishes', async () => {
    const { net, a, b, c, served } = await bridged()
    const { exchange, served: there } = await served(a.reach.open(b.id, METHOD.MCP_CALL, bytes(1), { timeout: 60_000 }))
    c.rpc.goaway('draining')
    await net.run()
    expect(a.reach.path(b.id)?.via).not.toEqual([c.id])
    there.end(bytes(2))
    await net.run()
    expect((await exchange.answer).body.length).toBe(2)
  })
})

describe('tickets', () => {
  test('one serves for many exchanges, and a new one is made before it is over', async () => {
    const { net, a, b, c } = await bridged()
    const first = a.tickets.make(b.id, [c.id])
    expect(a.tickets.make(b.id, [c.id])).toBe(first)
    net.clock.advance(TICKET_LIFE - 50_000)
    expect(a.tickets.make(b.id, [c.id])).not.toBe(first)
  })
})

test('the relay says to a member whether it could pass on', async () => {
  const world: ReachNet = await createReachNet(3, [[0, 2], [2, 1]])
  const [a, b, c] = world.nodes as [ReachNode, ReachNode, ReachNode]
  const ask = async (body: Uint8Array) => {
    const result = outcome(a.rpc.call(c.id, METHOD.REACH, body, { timeout: 3_000 }))
    await world.net.advance(2_000)
    return (await result).code
  }
  expect(await ask(Uint8Array.of(1, 2, 3))).toBe('SKEIN_PROTOCOL')

  expect(await ask(encodeWayQuestion({ target: b.id, fresh: 300, visited: [] }))).toBe('ok')
  expect(await ask(encodeWayQuestion({ target: c.id, fresh: 300, visited: [] }))).toBe('SKEIN_BAD_REQUEST')
  expect(await ask(encodeWayQuestion({ target: a.id, fresh: 300, visited: [] }))).toBe('SKEIN_BAD_REQUEST')
  expect(await ask(encodeWayQuestion({ target: b.id, fresh: 300, visited: [c.id] }))).toBe('SKEIN_BAD_REQUEST')
  world.freeze(b)
  expect(await ask(encodeWayQuestion({ target: b.id, fresh: 300, visited: [] }))).toBe('SKEIN_UNDELIVERED')
})
