import type { Logger } from '../../../base/logger.ts'
import type { Link } from '../link.ts'
import { errorMessage } from '../../../base/errors.ts'

/** As for a page of a list: the server only makes a note of it. */
const TIMEOUT = 20_000

/** Keeps the server's subscriptions the same as the wanted URIs, one request at a time, so that they arrive in order over HTTP too. */
export function createSubscriber(link: Link, logger: Logger, supported: boolean): { want(uris: ReadonlySet<string>): void } {
  /** What the server was told; refused ones too, for asking again would not help. */
  const told = new Set<string>()
  let wanted: ReadonlySet<string> = told
  let working = false

  function next(): [method: string, uri: string] | undefined {
    for (const uri of told) if (!wanted.has(uri)) return ['resources/unsubscribe', uri]
    for (const uri of wanted) if (!told.has(uri)) return ['resources/subscribe', uri]
    return undefined
  }
  async function work(): Promise<void> {
    if (working) return
    working = true
    for (let step = next(); step !== undefined && !link.over; step = next()) {
      const [method, uri] = step
      if (method === 'resources/subscribe') told.add(uri)
      else told.delete(uri)
      try {
        const answer = await link.request(method, { uri }, TIMEOUT)
        if ('error' in answer) logger.warn('the server refused a subscription, so changes of this resource are not seen', { method, uri, error: answer.error.message })
      } catch (error) {
        logger.warn('a subscription failed, so changes of this resource are not seen', { method, uri, error: errorMessage(error) })
      }
    }
    working = false
  }

  return {
    want(uris) {
      if (!supported) return
      wanted = new Set(uris)
      void work()
    }
  }
}
