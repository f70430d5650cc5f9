import type { Clock } from '../../base/clock.ts'
import type { SkeinError } from '../../base/errors.ts'
import { mayGoOn } from '../../routing/retry.ts'
import type { Distant } from '../distant/distant.ts'
import type { Call } from './attempts.ts'
import type { Route, RoutedRequest } from './routes.ts'

/** A hub that fell silent has a successor by then, ms: 11 s for its lease and the drift of clocks (federation/tiers), the vote, and the way to it. */
const SEARCH_WITHIN = 20_000
/** Between two questions to hubs, ms: also the pause before a provider that could not be reached is tried again. */
const SEARCH_EVERY = 250

/** What a call has been through. */
export interface Past {
  /** Providers that had it, or said no. */
  tried: string[]
  /** Distant ones that it did not get to, since the last pause. */
  unreached: Set<string>
  /** Of `tried`, one by one. */
  attempts: number
  /** Of the last attempt, … */
  error: SkeinError | undefined
  /** … and where it was to go. */
  last: string | undefined
  /** The last attempt did not get to its distant provider. */
  lost: boolean
  /** An attempt may have run, whatever the last one says. */
  unsure: boolean
  /** Answers of hubs to questions before that are old, on the clock, ms. */
  since: number | undefined
  /** The search for distant providers ends then. */
  searchUntil: number | undefined
}

export interface NextProvidersDeps {
  clock: Clock
  distant: Pick<Distant, 'find'> | undefined
  /** Undefined: what was called is gone. */
  routeNow(request: RoutedRequest): Route | undefined
}

export interface Found {
  /** The route as it is now. */
  next: Route | undefined
  /** Whom to ask, those of the route first; distant ones only when all of those have been asked. */
  providers: readonly string[]
}

/** Who may take a call that failed, or for which no pool of this node has a provider. Waits for distant ones: a hub may be failing over. */
export function createNextProviders({ clock, distant, routeNow }: NextProvidersDeps): (call: Call, past: Past, last: Route) => Promise<Found> {
  function isNearLeft({ providers }: Route, { tried }: Past): boolean {
    return providers.some((peer) => !tried.includes(peer))
  }

  /** Undefined: nobody now, but somebody may come. */
  function usable(found: readonly string[], past: Past, repeatable: boolean): readonly string[] | undefined {
    const untried = found.filter((peer) => !past.tried.includes(peer))
    const reached = untried.filter((peer) => !past.unreached.has(peer))
    if (reached.length > 0) return reached
    if (untried.length > 0 || found.length === 0) return undefined
    // All that are there had it: what may run again may go to the same one again, anything else ends with what the last one said …
    if (!past.lost) return found
    // … unless that was not a provider.
    const again = past.unsure && repeatable ? found.filter((peer) => !past.unreached.has(peer)) : []
    return again.length > 0 ? again : undefined
  }

  return async (call, past, last) => {
    let next = routeNow(call.request)
    if (distant === undefined || next?.distant === undefined) return { next, providers: next?.providers ?? [] }
    const { error } = past
    const facts = { repeatable: last.repeatable, attempts: past.attempts, timeLeft: call.deadline - clock.now() }
    if (error !== undefined && !past.lost && !mayGoOn(error.code, facts)) return { next, providers: next.providers }
    while (next?.distant !== undefined && !isNearLeft(next, past) && call.cancelled === undefined) {
      const until = (past.searchUntil ??= Math.min(clock.now() + SEARCH_WITHIN, call.deadline))
      const within = until - clock.now()
      if (within <= 0) break
      const found = (await orCancelled(call, distant.find(next, { within, since: past.since }))) ?? []
      const providers = usable(found, past, last.repeatable)
      if (providers !== undefined) return { next, providers: [...next.providers, ...providers] }
      if (call.cancelled !== undefined) break
      await pause(call, Math.min(SEARCH_EVERY, Math.max(0, until - clock.now())))
      past.unreached.clear()
      past.since = clock.now()
      next = routeNow(call.request)
    }
    return { next, providers: next?.providers ?? [] }
  }

  function pause(call: Call, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = clock.after(ms, resolve)
      call.current = {
        cancel() {
          timer.cancel()
          resolve()
        }
      }
    })
  }
}

/** @param wait never rejects */
function orCancelled<T>(call: Call, wait: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    call.current = { cancel: () => resolve(undefined) }
    void wait.then(resolve)
  })
}
