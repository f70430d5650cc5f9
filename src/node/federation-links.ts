import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { CatalogDriver } from '../federation/catalog/driver.ts'
import type { CatalogNetwork, CatalogRequestKind } from '../federation/catalog/ports.ts'
import type { Host } from '../net/host.ts'
import type { Reach } from '../rpc/reach/types.ts'
import type { Rpc } from '../rpc/types.ts'
import { METHOD, ROOT_POOL, catalogTopic } from '../wire/protocols.ts'

const CATALOG_METHODS: Record<CatalogRequestKind, number> = {
  digest: METHOD.CATALOG_DIGEST,
  push: METHOD.CATALOG_PUSH,
  definitions: METHOD.CATALOG_DEFINITIONS
}

/** How the catalog reaches other nodes: gossipsub for news, RPC for the rest. */
export function catalogNetwork(host: Host, reach: Pick<Reach, 'call'>, federation: string, logger: Logger): CatalogNetwork {
  const topic = catalogTopic(federation, ROOT_POOL)
  return {
    publish(bytes) {
      // Best effort: anti-entropy brings what gossip loses.
      host.publish(topic, bytes).catch((error: unknown) => logger.debug('gossip was not published', { error: errorMessage(error) }))
    },
    async request(peer, kind, body, options) {
      return (await reach.call(peer, CATALOG_METHODS[kind], body, options)).body
    }
  }
}

export interface LinkDeps {
  host: Host
  rpc: Rpc
  reach: Pick<Reach, 'onLive' | 'live'>
  catalog: CatalogDriver
  federation: string
}

/** Wires ways to members and gossip to the catalog. */
export function linkFederation({ host, rpc, reach, catalog, federation }: LinkDeps): void {
  reach.onLive((peer, up) => (up ? catalog.sessionUp(peer) : catalog.sessionDown(peer)))
  for (const peer of reach.live()) catalog.sessionUp(peer)
  host.subscribe(catalogTopic(federation, ROOT_POOL), (bytes, from) => catalog.onGossip(bytes, from))
  for (const [kind, method] of Object.entries(CATALOG_METHODS) as [CatalogRequestKind, number][]) {
    rpc.handle(method, (exchange) => exchange.end(catalog.answer(kind, exchange.body, exchange.peer)))
  }
  rpc.handle(METHOD.ECHO, (exchange) => exchange.end(exchange.body))
}
