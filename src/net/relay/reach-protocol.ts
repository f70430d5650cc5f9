import { networkInterfaces } from 'node:os'
import type { Connection, Stream } from '@libp2p/interface'
import type { Clock } from '../../base/clock.ts'
import { SkeinError, errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { hostOf } from '../../membership/address-host.ts'
import { REACH_PROTOCOL } from '../../wire/protocols.ts'
import { MAX_REACH_ADDRESS, decodeReachAnswer, decodeReachRequest, encodeReachAnswer, encodeReachRequest, type ReachAnswer, type ReachVerdict } from '../../wire/reach.ts'
import { addressesFor } from '../addresses.ts'
import { readFramed, writeFramed } from '../framed.ts'
import { knock as knockAt } from '../knock.ts'

/** Dials made for others at a time: each is a handshake. */
const MAX_DIALS = 2
/** One member is answered so often; it asks every minute at most. */
const ANSWER_EVERY_MS = 5_000
/** Members remembered for that; the oldest go. */
const MAX_ASKERS = 1_024
/** A bare connect, to all addresses at once … */
const KNOCK_MS = 2_000
/** … and then one proven connection. */
const DIAL_MS = 3_000
/** For the whole question. */
const ASK_MS = 8_000

export interface ReachProtocol {
  serve(stream: Stream, connection: Connection): Promise<void>
  /** Asks over this connection whether these addresses can be dialled from there. */
  ask(connection: Connection, addresses: readonly string[]): Promise<ReachAnswer>
}

/** As hostOf, and an IPv4 address inside an IPv6 one is IPv4 also where a multiaddr has it in hexadecimal. */
function placeOf(address: string): string | undefined {
  const host = hostOf(address)
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(host ?? '') ?? []
  if (high === undefined || low === undefined) return host
  return [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]).join('.')
}

/** IP addresses of this machine, as placeOf spells them. */
function hostsOfThisMachine(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.flatMap(({ family, address }) => placeOf(`/${family === 'IPv6' ? 'ip6' : 'ip4'}/${address}/tcp/1`) ?? [])
  )
}

/**
 * Those of the addresses that are where the asker is seen: at others it could have this node look which ports of which machines are
 * open. Who is on this machine is known by loopback, and listens at any address of the machine. A name is none of them: it means
 * whatever its name server says.
 */
function atTheAsker(host: string, addresses: readonly string[], local: () => readonly string[]): string[] {
  const hosts = /^127\.|^\[::1\]$/.test(host) ? [host, ...local()] : [host]
  return addresses.filter((address) => /^\/ip[46]\//.test(address) && hosts.includes(placeOf(address) ?? ''))
}

/**
 * @param deps.dialBack makes a new connection to one address of the peer, proves that it is that peer, and closes it
 * @param deps.knock a bare connect; for tests
 * @param deps.local IP addresses of this machine in the spelling of placeOf; for tests
 */
export function createReachProtocol(deps: {
  clock: Clock
  logger: Logger
  dialBack: (peer: string, address: string, signal: AbortSignal) => Promise<void>
  knock?: typeof knockAt
  local?: () => readonly string[]
}): ReachProtocol {
  const { clock, logger, knock = knockAt, local = hostsOfThisMachine } = deps
  const asked = new Map<string, number>()
  let dials = 0

  async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const timer = clock.after(ms, () => controller.abort(new SkeinError('SKEIN_DEADLINE', 'the question whether a node can be dialled took too long')))
    try {
      return await work(controller.signal)
    } finally {
      timer.cancel()
    }
  }

  async function tryAddresses(peer: string, seen: string, addresses: readonly string[]): Promise<ReachVerdict> {
    const last = asked.get(peer)
    const host = placeOf(seen)
    if (host === undefined || dials >= MAX_DIALS || (last !== undefined && clock.now() - last < ANSWER_EVERY_MS)) return 'busy'
    asked.delete(peer)
    asked.set(peer, clock.now())
    if (asked.size > MAX_ASKERS) asked.delete(asked.keys().next().value as string)
    dials++
    try {
      const open = await openOnes(atTheAsker(host, addressesFor(peer, addresses), local))
      for (const address of open) {
        try {
          await within(DIAL_MS, (signal) => deps.dialBack(peer, address, signal))
          return 'reached'
        } catch (error) {
          logger.debug('a member could not be dialled back', { peer, address, error: errorMessage(error) })
        }
      }
      return 'unreached'
    } finally {
      dials--
    }
  }

  async function openOnes(addresses: readonly string[]): Promise<string[]> {
    return within(KNOCK_MS + DIAL_MS, async (signal) => {
      const results = await Promise.all(addresses.map((address) => knock([address], { timeout: KNOCK_MS, signal })))
      return addresses.filter((_, index) => results[index] === 'open')
    })
  }

  return {
    async serve(stream, connection) {
      const { addresses } = decodeReachRequest(await within(ASK_MS, (signal) => readFramed(stream, { signal })))
      const seen = connection.remoteAddr.toString()
      const verdict = await tryAddresses(connection.remotePeer.toString(), seen, addresses)
      writeFramed(stream, encodeReachAnswer({ verdict, seen: seen.slice(0, MAX_REACH_ADDRESS) }))
      await stream.close()
    },
    ask: (connection, addresses) =>
      within(ASK_MS, async (signal) => {
        const stream = await connection.newStream(REACH_PROTOCOL, { signal })
        try {
          const answer = readFramed(stream, { signal })
          // When sending throws, nobody waits for the answer any more.
          answer.catch(() => {})
          writeFramed(stream, encodeReachRequest({ addresses: [...addresses] }))
          return decodeReachAnswer(await answer)
        } finally {
          stream.close().catch(() => {})
        }
      })
  }
}
