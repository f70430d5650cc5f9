import { errorMessage, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import type { CatalogNetwork, CatalogRequestKind } from '../../federation/catalog/ports.ts'
import type { Host } from '../../net/host.ts'
import type { Reach } from '../../rpc/reach/types.ts'
import type { Rpc } from '../../rpc/types.ts'
import { METHOD, catalogTopic } from '../../wire/protocols.ts'

const CATALOG_METHODS: Record<CatalogRequestKind, number> = {
  digest: METHOD.CATALOG_DIGEST,
  push: METHOD.CATALOG_PUSH,
  definitions: METHOD.CATALOG_DEFINITIONS
}

/** How the catalog reaches other nodes: gossipsub, with a topic for each pool, for news, RPC for the rest. */
export function catalogNetwork(host: Host, reach: Pick<Reach, 'call'>, federation: string, logger: Logger): CatalogNetwork {
  return {
    publish(pool, bytes) {
      // Best effort: anti-entropy brings what gossip loses.
      host.publish(catalogTopic(federation, pool), bytes).catch((error: unknown) => logger.debug('gossip was not published', { error: errorMessage(error) }))
    },
    async request(peer, kind, body, options) {
      return (await reach.call(peer, CATALOG_METHODS[kind], body, options)).body
    }
  }
}

export interface CatalogLinkDeps {
  host: Host
  rpc: Rpc
  reach: Pick<Reach, 'onLive' | 'live'>
  catalog: CatalogDriver
  federation: string
}

/** Wires ways to members and the gossip of each pool to the catalog. */
export function linkCatalog({ host, rpc, reach, catalog, federation }: CatalogLinkDeps): void {
  reach.onLive((peer, up) => (up ? catalog.sessionUp(peer) : catalog.sessionDown(peer)))
  for (const peer of reach.live()) catalog.sessionUp(peer)
  const subscribe = (pool: string) => host.subscribe(catalogTopic(federation, pool), (bytes, from) => catalog.onGossip(pool, bytes, from))
  for (const pool of catalog.pools()) subscribe(pool)
  catalog.onPool((pool, open) => (open ? subscribe(pool) : host.unsubscribe(catalogTopic(federation, pool))))
  for (const [kind, method] of Object.entries(CATALOG_METHODS) as [CatalogRequestKind, number][]) {
    rpc.handle(method, (exchange) => {
      const answer = catalog.answer(kind, exchange.body, exchange.peer)
      if (answer instanceof Promise) answer.then((body) => exchange.end(body), (error: unknown) => exchange.fail(toSkeinError(error)))
      else exchange.end(answer)
    })
  }
}
