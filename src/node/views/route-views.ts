import type { Figures } from '../../routing/types.ts'
import { shortPeerId } from '../../wire/peer-id.ts'
import type { CallTrace, RouteCandidate, RouteExplanation } from '../api.ts'
import type { Backend } from '../calls/backend.ts'
import type { AttemptDone } from '../calls/routes.ts'

export interface RouteViewDeps {
  self: string
  backend: Pick<Backend, 'explain'>
  nameOf(peer: string): string
  /** Peers between this node and that one. */
  via(peer: string): readonly string[]
}

export interface RouteViews {
  /** Undefined: there is no such tool. */
  explain(tool: string): RouteExplanation | undefined
  /** Collects the attempts of one call. */
  trace(correlation: string): { trace: CallTrace; onAttempt(attempt: AttemptDone): void }
}

/** Choices of providers as the edges show them. */
export function createRouteViews({ self, backend, nameOf, via }: RouteViewDeps): RouteViews {
  function pathTo(peer: string): string[] {
    return peer === self ? [self] : [self, ...via(peer), peer]
  }

  function candidateOf(figures: Figures, chosen: Figures | undefined): RouteCandidate {
    const named = { ...figures, name: nameOf(figures.peer) }
    return chosen === undefined || chosen === figures ? named : { ...named, whyNot: whyNot(figures, chosen) }
  }

  return {
    explain(tool) {
      const found = backend.explain(tool)
      if (found === undefined) return undefined
      const { choice, candidates } = found.explanation
      const chosen = candidates.find(({ peer }) => peer === choice?.peer)
      return {
        tool,
        server: found.target.server,
        ...(choice === undefined ? {} : { choice: { ...choice, name: nameOf(choice.peer), path: pathTo(choice.peer) } }),
        candidates: candidates.map((figures) => candidateOf(figures, chosen))
      }
    },
    trace(correlation) {
      const trace: CallTrace = { correlation, attempts: [] }
      return {
        trace,
        onAttempt({ via, ...attempt }) {
          // As it was when the call left: by now another way may lead there.
          const path = attempt.peer === self ? [self] : [self, ...via, attempt.peer]
          trace.attempts.push({ ...attempt, name: nameOf(attempt.peer), path, names: path.map((peer) => nameOf(peer) || shortPeerId(peer)) })
        }
      }
    }
  }
}

/** Why a call goes elsewhere, or only sometimes there. */
function whyNot({ standing, dampedFor, warmth, near, reliability, expected, cost }: Figures, chosen: Figures): string {
  switch (standing) {
    case 'open':
      return 'its circuit breaker is open: its last calls failed'
    case 'half-open':
      return 'its circuit breaker lets one call through at a time, to see whether it works again'
    case 'suspect':
      return 'it does not answer now: it may be dead'
    case 'damped':
      return `it failed again and again: avoided for ${Math.ceil(dampedFor / 1000)} s more`
    case 'warming':
      return `it is new or back: it takes ${Math.round(warmth * 100)} % of its calls`
    case 'good':
  }
  if (near) return chosen.local ? 'as good, but not on this node' : 'as good: calls are spread by load'
  if (expected <= chosen.expected && cost > chosen.cost) return `only ${Math.round(reliability * 100)} % of its last calls were answered`
  return `an answer takes ${(expected - chosen.expected).toFixed(1)} ms longer`
}
