import { SkeinError, errorMessage, toSkeinError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { CallSink, ClientContext, McpOutcome, McpRequest, RunningCall } from '../mcp/ports.ts'
import type { Reach, ReachPath } from '../rpc/reach/types.ts'
import type { ClientExchange } from '../rpc/types.ts'
import { decodeCallEnd, decodeCallMessage, encodeMcpCall, type CallEnd, type McpCallClient, type McpCallHead } from '../wire/mcp-call.ts'
import { METHOD } from '../wire/protocols.ts'
import { ATTRIBUTE, type CallHeader } from '../wire/rpc-frames.ts'

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

      function start(): Promise<McpOutcome> {
        ways++
        const used = reach.path(peer)
        exchange = reach.open(peer, METHOD.MCP_CALL, body, options)
        return exchange.answer.then(
          (answer) => {
            const { outcome, load } = endOf(answer.body, peer)
            if (load !== undefined) running.load = load
            return outcome
          },
          (error: unknown) => again(toSkeinError(error), used)
        )
      }

      /** What provably did not get there takes another way, if one is known or being looked for. */
      async function again(error: SkeinError, used: ReachPath | undefined): Promise<McpOutcome> {
        if (cancelled || ways >= MAX_WAYS || !isWayFault(error, used, exchange.load === undefined)) throw error
        const found = await reach.other(peer, used, Math.min(OTHER_WAY_WITHIN_MS, request.timeout))
        if (cancelled) throw new SkeinError('SKEIN_CANCELLED', 'the call was given up before there was another way', { cause: error })
        if (!found) throw error
        logger.debug('a call takes another way', { peer, correlation: request.correlation, error: error.message })
        return start()
      }

      const running: RunningCall = {
        outcome: start(),
        cancel(reason) {
          cancelled = true
          exchange.cancel(reason)
        }
      }
      return running
    },
    endSession(peer, session) {
      reach.call(peer, METHOD.MCP_END_SESSION, Buffer.from(session), { timeout: END_SESSION_TIMEOUT_MS }).catch((error: unknown) => {
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
 * Not run, for the way failed: the session was gone, or a relay could not pass it on. A relay marks what it says itself.
 * @param unanswered nobody at the other end of our own session ended it
 */
function isWayFault({ code, retry, data }: SkeinError, used: ReachPath | undefined, unanswered: boolean): boolean {
  if (code === 'SKEIN_UNDELIVERED') return true
  if ((data as { relay?: unknown } | undefined)?.relay !== undefined) return retry === 'elsewhere' || code === 'SKEIN_HOPS' || code === 'SKEIN_NOT_ADMITTED'
  return used?.kind === 'relayed' && unanswered && retry === 'elsewhere'
}

function headerOf({ correlation, trace }: McpRequest): CallHeader {
  const attributes = new Map([[ATTRIBUTE.CORRELATION, Buffer.from(correlation)]])
  return trace === undefined ? { attributes } : { attributes, trace }
}
