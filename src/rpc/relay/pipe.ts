import type { SkeinError } from '../../base/errors.ts'
import type { ClientExchange, ServerExchange } from '../types.ts'

/**
 * What may wait at the relay in one direction before the sender's credit is withheld, bytes: a credit window, so that a fast pair is not
 * slowed down. As much again may have been received and be held back.
 */
export const MAX_QUEUED = 262_144

interface Side {
  readonly queued: number
  send(message: Uint8Array, options?: { renew?: boolean }): void
  onLeft(listener: () => void): void
}

/** Takes messages of one side and hands them to the other; reading pauses while the other is slow. */
export interface Flow {
  message(body: Uint8Array, renew: boolean): void
}

/** @param from is set late: an exchange's messages may come before it is known */
function flow(from: () => { pause(): void; resume(): void }, to: () => Side, count: (bytes: number) => void): Flow & { listen(): void } {
  let paused = false
  return {
    message(body, renew) {
      count(body.length)
      to().send(body, { renew })
      if (paused || to().queued <= MAX_QUEUED) return
      paused = true
      from().pause()
    },
    listen() {
      to().onLeft(() => {
        if (!paused || to().queued > MAX_QUEUED / 2) return
        paused = false
        from().resume()
      })
    }
  }
}

export interface Ends {
  /** What both directions' bodies count for. */
  count(bytes: number): void
  /** The error of an exchange that the next node did not end itself. */
  own(error: SkeinError): SkeinError
  over(): void
}

/**
 * Joins an exchange that was received with one that is opened for it: messages both ways with their renewals, the answer with its load,
 * errors, and the cancel.
 */
export function pipe(incoming: ServerExchange, open: (onMessage: (body: Uint8Array, renew: boolean) => void) => ClientExchange, { count, own, over }: Ends): void {
  const back = flow(() => outgoing, () => incoming, count)
  const forth = flow(() => incoming, () => outgoing, count)
  const outgoing = open(back.message)
  back.listen()
  forth.listen()
  incoming.onMessage(forth.message)
  incoming.onCancel((reason) => outgoing.cancel(reason))
  outgoing.answer.then(
    ({ body, load }) => {
      count(body.length)
      over()
      incoming.end(body, load)
    },
    (error: SkeinError) => {
      over()
      incoming.fail(outgoing.load === undefined ? own(error) : error, outgoing.load)
    }
  )
}
