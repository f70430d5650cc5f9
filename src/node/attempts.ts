import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { CallSink, McpOutcome, McpRequest, RunningCall } from '../mcp/ports.ts'
import { chooseProvider } from '../routing/choose.ts'
import { afterFailure, callerCode } from '../routing/retry.ts'
import type { Resolved, RunAt } from './backend.ts'

type Request = Pick<McpRequest, 'method' | 'correlation'>

/** Carries out what routing/ decides: which provider, and what to do when one fails. */
export function createAttempts(deps: {
  self: string
  clock: Clock
  random: Random
  logger: Logger
  requestTimeout: number
  facts(peer: string): { rtt?: number; load?: number }
}): { /** @param asked the caller's own time limit, ms; the server's counts where there is none */
  run(resolve: () => Resolved, runAt: RunAt, asked: number | undefined, request: Request, sink: CallSink): RunningCall } {
  const { self, clock, random, logger, facts } = deps

  function choose(providers: readonly string[]): string | undefined {
    return chooseProvider(
      providers.map((peer) => ({ peer, local: peer === self, ...facts(peer) })),
      random
    )
  }

  return {
    run(resolve, runAt, asked, request, sink) {
      let cancelled: SkeinError | undefined
      let current: RunningCall | undefined
      let timeout = asked ?? deps.requestTimeout
      let deadline = clock.now() + timeout
      const renewing: CallSink = {
        notification(message) {
          // While something happens the call does not time out.
          deadline = clock.now() + timeout
          sink.notification(message)
        },
        async request(method, params) {
          const answer = await sink.request(method, params)
          // Time spent waiting for a person does not count.
          deadline = clock.now() + timeout
          return answer
        }
      }

      async function outcome(): Promise<McpOutcome> {
        const tried: string[] = []
        for (let attempt = 1; ; attempt++) {
          // Looked up for each attempt: providers come and go.
          const resolved = resolve()
          if (attempt === 1 && asked === undefined && resolved.timeout !== undefined) {
            timeout = resolved.timeout
            deadline = clock.now() + timeout
          }
          const untried = resolved.providers.filter((peer) => !tried.includes(peer))
          const peer = choose(untried.length > 0 ? untried : resolved.providers)
          if (peer === undefined) throw new SkeinError('SKEIN_NO_PROVIDER', `no node that offers "${resolved.server}" can be reached now: try again in a moment`)
          tried.push(peer)
          try {
            current = runAt(peer, resolved, Math.max(1, deadline - clock.now()), renewing)
            return await current.outcome
          } catch (thrown) {
            const error = toSkeinError(thrown)
            if (cancelled !== undefined) throw cancelled
            const facts = { repeatable: resolved.repeatable, triedPeers: tried, providers: providersNow(resolve), attempts: attempt, timeLeft: deadline - clock.now() }
            const verdict = afterFailure(error.code, facts)
            logger.info('a provider failed a call', { correlation: request.correlation, peer, code: error.code, verdict, attempt })
            if (verdict === 'fail') throw finalError(error, resolved)
          }
        }
      }

      return {
        outcome: outcome(),
        cancel(reason) {
          cancelled ??= new SkeinError('SKEIN_CANCELLED', reason)
          current?.cancel(reason)
        }
      }
    }
  }
}

function providersNow(resolve: () => Resolved): readonly string[] {
  try {
    return resolve().providers
  } catch {
    // The tool went with its last provider.
    return []
  }
}

/** A call that left without an answer may have run; say so, unless running it is harmless. */
function finalError(error: SkeinError, resolved: Resolved): SkeinError {
  const code = error.code === 'SKEIN_DEADLINE' && !resolved.repeatable ? 'SKEIN_OUTCOME_UNKNOWN' : callerCode(error.code)
  if (code === error.code) return error
  return new SkeinError(code, `"${resolved.tool ?? resolved.server}" did not answer and may or may not have run: check its effect before calling it again`, { cause: error })
}
