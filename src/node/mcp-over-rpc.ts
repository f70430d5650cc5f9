import { SkeinError, errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { CallSink, ClientContext, McpOutcome, McpRequest, RunningCall } from '../mcp/ports.ts'
import type { Rpc } from '../rpc/types.ts'
import { decodeCallEnd, decodeCallMessage, encodeMcpCall, type McpCallClient, type McpCallHead } from '../wire/mcp-call.ts'
import { METHOD } from '../wire/protocols.ts'
import { ATTRIBUTE, type CallHeader } from '../wire/rpc-frames.ts'

const END_SESSION_TIMEOUT_MS = 5_000

/** The edge's side of protocols/mcp.md. */
export interface RemoteRunner {
  /**
   * Runs a request at another node.
   * @param digest of the definition the caller listed, for tools/call
   */
  run(peer: string, digest: string | undefined, request: McpRequest, sink: CallSink): RunningCall
  endSession(peer: string, session: string): void
}

export function createRemoteRunner(rpc: Rpc, logger: Logger): RemoteRunner {
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
      const head: McpCallHead = digest === undefined ? { server, method, client } : { server, method, digest, client }
      const onMessage = (bytes: Uint8Array) => {
        try {
          const message = decodeCallMessage(bytes)
          if (message !== undefined) sink.notification(message)
        } catch (error) {
          logger.warn('a provider sent a message that is no notification; it is dropped', { peer, error: errorMessage(error), correlation: request.correlation })
        }
      }
      const exchange = rpc.open(peer, METHOD.MCP_CALL, encodeMcpCall(head, JSON.stringify(request.params)), { timeout: request.timeout, header: headerOf(request), onMessage })
      return {
        outcome: exchange.answer.then(({ body }) => outcomeOf(body, peer)),
        cancel: (reason) => exchange.cancel(reason)
      }
    },
    endSession(peer, session) {
      rpc.call(peer, METHOD.MCP_END_SESSION, Buffer.from(session), { timeout: END_SESSION_TIMEOUT_MS }).catch((error: unknown) => {
        // The provider ends idle children by itself.
        logger.debug('a provider was not told that a session ended', { peer, error: errorMessage(error) })
      })
    }
  }
}

function outcomeOf(body: Uint8Array, peer: string): McpOutcome {
  try {
    return decodeCallEnd(body)
  } catch (cause) {
    // Never an empty success: an answer that cannot be read is a fault of the provider, and its server may have run the call.
    throw new SkeinError('SKEIN_UPSTREAM_INVALID', `node ${peer} answered with something that is no result: ${errorMessage(cause)}`, { cause })
  }
}

function headerOf({ correlation, trace }: McpRequest): CallHeader {
  const attributes = new Map([[ATTRIBUTE.CORRELATION, Buffer.from(correlation)]])
  return trace === undefined ? { attributes } : { attributes, trace }
}
