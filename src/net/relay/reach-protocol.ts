import type { Connection, Stream } from '@libp2p/interface'
import type { Clock } from '../../base/clock.ts'
import { SkeinError, errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { REACH_PROTOCOL } from '../../wire/protocols.ts'
import { decodeReachAnswer, decodeReachRequest, encodeReachAnswer, encodeReachRequest, type ReachAnswer, type ReachVerdict } from '../../wire/reach.ts'
import { addressesFor, isRelayed } from '../addresses.ts'
import { readFramed, writeFramed } from '../framed.ts'
import { knock } from '../knock.ts'

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

/**
 * @param deps.dialBack makes a new connection to one address of the peer, proves that it is that peer, and closes it
 */
export function createReachProtocol(deps: { clock: Clock; logger: Logger; dialBack: (peer: string, address: string, signal: AbortSignal) => Promise<void> }): ReachProtocol {
  const { clock, logger } = deps
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

  async function tryAddresses(peer: string, addresses: readonly string[]): Promise<ReachVerdict> {
    const last = asked.get(peer)
    if (dials >= MAX_DIALS || (last !== undefined && clock.now() - last < ANSWER_EVERY_MS)) return 'busy'
    asked.delete(peer)
    asked.set(peer, clock.now())
    if (asked.size > MAX_ASKERS) asked.delete(asked.keys().next().value as string)
    dials++
    try {
      const open = await openOnes(addressesFor(peer, addresses).filter((address) => !isRelayed(address)))
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
      const verdict = await tryAddresses(connection.remotePeer.toString(), addresses)
      writeFramed(stream, encodeReachAnswer({ verdict, seen: connection.remoteAddr.toString().slice(0, 256) }))
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
