import { SkeinError, errorMessage, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { CallSink, ClientContext, McpOutcome, McpRequest, RunningCall } from '../../mcp/ports.ts'
import type { Reach, ReachPath } from '../../rpc/reach/types.ts'
import type { ClientExchange } from '../../rpc/types.ts'
import { decodeCallEnd, decodeCallMessage, encodeMcpCall, type CallEnd, type McpCallClient, type McpCallHead } from '../../wire/mcp-call.ts'
import { METHOD } from '../../wire/protocols.ts'
import { ATTRIBUTE, type CallHeader } from '../../wire/rpc-frames.ts'
import { isWayFault, relayOf } from './way-fault.ts'

const END_SESSION_TIMEOUT_MS = 5_000
/** A call that did not get to its node waits so long for another relay, ms: finding one takes a round trip or two. */
const OTHER_WAY_WITHIN_MS = 1_000
/** Ways tried for one call; on each it provably did not run. */
const MAX_WAYS = 3

/** The edge's side of protocols/mcp.md. */
export interface RemoteRunner {
  /**
   * Runs a request at another node.
   * @param digest of the definition the caller listed, for tools/call
   */
  run(peer: string, digest: string | undefined, request: McpRequest, sink: CallSink): RunningCall
  endSession(peer: string, session: string): void
}

export function createRemoteRunner(reach: Pick<Reach, 'open' | 'call' | 'path' | 'other'>, logger: Logger): RemoteRunner {
  /** How a client stands in the head: made once for each session, or for each request of a client without one. */
  const clients = new WeakMap<ClientContext, McpCallClient>()

  function clientOf(client: ClientContext): McpCallClient {
    const known = clients.get(client)
    if (known !== undefined) return known
    const { session, clientInfo, capabilities, logLevel } = client
    const made: McpCallClient = { ...(session === undefined ? {} : { session }), clientInfo, capabilities, ...(logLevel === undefined ? {} : { logLevel }) }
    clients.set(client, made)
    return made
  }

  return {
    run(peer, digest, request, sink) {
      const { server, method } = request
      const client = clientOf(request.client)
      const head: McpCallHead = digest === undefined ? { server, method, load: true, client } : { server, method, digest, load: true, client }
      const onMessage = (bytes: Uint8Array) => {
        try {
          const message = decodeCallMessage(bytes)
          if (message !== undefined) sink.notification(message)
        } catch (error) {
          logger.warn('a provider sent a message that is no notification; it is dropped', { peer, error: errorMessage(error), correlation: request.correlation })
        }
      }
      const body = encodeMcpCall(head, JSON.stringify(request.params))
      const options = { timeout: request.timeout, header: headerOf(request), onMessage }
      let ways = 0
      let cancelled = false
      let exchange: ClientExchange
      let used: ReachPath | undefined

      function start(): Promise<McpOutcome> {
        ways++
        const path = (used = reach.path(peer))
        exchange = reach.open(peer, METHOD.MCP_CALL, body, options)
        return exchange.answer.then(
          (answer) => {
            const { outcome, load } = endOf(answer.body, peer)
            if (load !== undefined) running.load = load
            return outcome
          },
          (error: unknown) => again(toSkeinError(error), path)
        )
      }

      /** What provably did not get there takes another way, if one is known or being looked for. */
      async function again(error: SkeinError, path: ReachPath | undefined): Promise<McpOutcome> {
        if (cancelled || ways >= MAX_WAYS || !isOtherWayWorth(error, peer, path, exchange.load === undefined)) throw error
        const found = await reach.other(peer, path, Math.min(OTHER_WAY_WITHIN_MS, request.timeout))
        if (cancelled) throw new SkeinError('SKEIN_CANCELLED', 'the call was given up before there was another way', { cause: error })
        if (!found) throw error
        logger.debug('a call takes another way', { peer, correlation: request.correlation, error: error.message })
        const outcome = start()
        running.via = used?.via
        return outcome
      }

      const running: RunningCall = {
        outcome: start(),
        via: used?.via,
        cancel(reason) {
          cancelled = true
          exchange.cancel(reason)
        }
      }
      return running
    },
    endSession(peer, session) {
      const tell = () => reach.call(peer, METHOD.MCP_END_SESSION, Buffer.from(session), { timeout: END_SESSION_TIMEOUT_MS })
      const path = reach.path(peer)
      tell()
        // The way to a distant provider is forgotten when nothing goes there for a while.
        .catch(async (error: unknown) => {
          if (!isWayFault(toSkeinError(error), peer) || !(await reach.other(peer, path, OTHER_WAY_WITHIN_MS))) throw error
          return tell()
        })
        .catch((error: unknown) => {
          // The provider ends idle children by itself.
          logger.debug('a provider was not told that a session ended', { peer, error: errorMessage(error) })
        })
    }
  }
}

function endOf(body: Uint8Array, peer: string): CallEnd {
  try {
    return decodeCallEnd(body)
  } catch (cause) {
    // Never an empty success: an answer that cannot be read is a fault of the provider, and its server may have run the call.
    throw new SkeinError('SKEIN_UPSTREAM_INVALID', `node ${peer} answered with something that is no result: ${errorMessage(cause)}`, { cause })
  }
}

/**
 * Not run, and another way may do: what `isWayFault` says, and what the target could not take from a relay.
 * @param unanswered nobody at the other end of our own session ended it
 */
function isOtherWayWorth(error: SkeinError, peer: string, used: ReachPath | undefined, unanswered: boolean): boolean {
  if (isWayFault(error, peer)) return true
  if (relayOf(error) !== undefined) return error.retry === 'elsewhere' || error.code === 'SKEIN_HOPS' || error.code === 'SKEIN_NOT_ADMITTED'
  return used?.kind === 'relayed' && unanswered && error.retry === 'elsewhere'
}

function headerOf({ correlation, trace }: McpRequest): CallHeader {
  const attributes = new Map([[ATTRIBUTE.CORRELATION, Buffer.from(correlation)]])
  return trace === undefined ? { attributes } : { attributes, trace }
}
