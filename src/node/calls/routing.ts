import type { Clock } from '../../base/clock.ts'
import type { Guarded, GuardedStart, Guards, RunOptions } from '../../base/guard.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { Membership } from '../../membership/driver.ts'
import { createRoutingMetrics } from '../../routing/metrics.ts'
import { createRouter } from '../../routing/router.ts'
import type { Candidate, Choice, ChooseOptions, Ending, Explanation } from '../../routing/types.ts'
import type { ServerLoad } from '../../wire/mcp-call.ts'
import { createProviderGuards } from './provider-guards.ts'
import { createRouteFacts, type RouteFactsDeps } from './route-facts.ts'

export interface RoutingDeps extends Omit<RouteFactsDeps, 'guards' | 'membership'> {
  clock: Clock
  random: Random
  meter: Meter
  guards: Pick<Guards, 'guard'>
  membership: RouteFactsDeps['membership'] & Pick<Membership, 'onEvent'>
}

/** What the calls of this node need of routing/ and of the breakers. */
export interface Routing {
  /** One of `providers`; undefined without any. */
  choose(server: string, providers: readonly string[], options?: ChooseOptions): Choice | undefined
  explain(server: string, providers: readonly string[], options?: ChooseOptions): Explanation
  /** Starts a call at the chosen provider, through its breaker unless that is this node. Each is followed by `ended`. */
  run<T>(server: string, choice: Choice, start: GuardedStart<T>, options?: RunOptions): Guarded<T>
  /** @param expected ms, as chosen; `ms`: what it took */
  ended(server: string, choice: Choice, how: Ending, ms: number, load: ServerLoad | undefined, tool: string | undefined): void
}

/** Joins the router to what knows the facts, and keeps it told of who comes and goes. */
export function createRouting(deps: RoutingDeps): Routing {
  const { clock, random, meter, self, membership } = deps
  const router = createRouter({ clock, random })
  const metrics = createRoutingMetrics(meter, () => router.stats())
  const guards = createProviderGuards(deps.guards)
  const factsOf = createRouteFacts({ ...deps, guards })

  /** The process of each living member: a newer one without a goodbye means that the old one fell, whether anybody missed it or not. */
  const boots = new Map<string, number>()

  membership.onEvent(({ type, member: { peer, boot }, was }) => {
    if (peer === self) return
    const fell = boot > (boots.get(peer) ?? Infinity)
    if (type === 'failed' || type === 'left') boots.delete(peer)
    else boots.set(peer, boot)
    if (type === 'failed' || fell) router.memberFailed(peer)
    if (type === 'left') router.forget(peer)
    else if (fell || type === 'joined' || (type === 'recovered' && was !== 'suspect')) router.memberBack(peer)
  })

  const candidates = (server: string, providers: readonly string[]): Candidate[] => providers.map((peer) => factsOf(server, peer))

  return {
    choose(server, providers, options) {
      if (providers.length === 0) return undefined
      return router.choose(server, candidates(server, providers), options)
    },
    explain: (server, providers, options) => router.explain(server, candidates(server, providers), options),
    run(server, choice, start, options) {
      metrics.choices[choice.why].inc()
      const running = choice.peer === self ? start() : guards.run(server, choice.peer, start, options)
      router.started(server, choice.peer)
      return running
    },
    ended(server, { peer, expected }, how, ms, load, tool) {
      // One that drains takes nothing new, so its last answers are those of its longest calls: they do not tell how fast it is.
      const told = how === 'answered' && peer !== self && deps.catalog.record(peer)?.draining === true ? 'cancelled' : how
      router.ended(server, peer, told, ms, peer === self ? deps.local.load(server) : load, tool)
      if (how !== 'answered' && peer !== self) guards.failed(server, peer)
      if (how === 'answered') metrics.error.observe(Math.abs(ms - expected) / 1000)
    }
  }
}
