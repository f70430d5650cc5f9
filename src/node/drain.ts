import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import { SkeinError, errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { DrainOptions, DrainStatus } from './api.ts'
import type { DrainMetrics } from './metrics.ts'

/**
 * For telling all members before the first refusal, ms: one round trip to each at the same time, on a busy machine. Whoever has not
 * answered by then meets a GOAWAY, which costs its next call one more try elsewhere and nothing else.
 */
export const ANNOUNCE_WITHIN = 500
/** For new sessions after a drain was undone, before the others are told to call again, ms: an opened stream and a HELLO each way. */
export const WELCOME_WITHIN = 1_000
/** Between two looks at that, ms: a round trip on a LAN is less. */
const WELCOME_EVERY = 10

/** What a drain sets in motion; each at once, none throws but `announce`. */
export interface DrainParts {
  /** From here on the node's own record says so. */
  mark(draining: boolean): void
  /** Publishes the record and hands it to the members; resolves when all have it or `within` ms are over. */
  announce(within: number): Promise<{ told: number; missed: number }>
  /** Clients and members get no new requests through; what only waits for news ends. */
  refuse(): void
  /** They do again. */
  accept(): void
  /** No member is left that would be refused although it was told to call again. */
  welcoming(): boolean
  /** Requests of this node's clients and of other nodes that run now. */
  running(): number
  /** Resolves when none of these is left and all answers are on their way. */
  idle(): Promise<void>
}

export interface Drain {
  status(): DrainStatus
  /**
   * Takes the node out: members are told first, then new requests are refused, then what runs ends. Resolves when nothing runs or
   * `within` is over; asked again, it waits again. Rejects with SKEIN_CANCELLED when the drain is undone meanwhile.
   */
  drain(options?: DrainOptions & { /** The node stops: there is no way back. */ final?: boolean }): Promise<DrainStatus>
  /** Back to serving: resolves when the members were told. @throws SKEIN_BAD_REQUEST when the node stops */
  undrain(): Promise<DrainStatus>
}

/** One time of being out, from drain to undrain. */
interface Round {
  /** Monotonic ms. */
  began: number
  /** Members were told, new requests are refused. */
  refusing: Promise<void>
  undone: Promise<void>
  undo(): void
  over: boolean
  /** Its time has been counted. */
  measured: boolean
}

/** The one way out of service and back, whoever asks for it: a signal, a command, the API. */
export function createDrain(
  deps: { clock: Clock; logger: Logger; metrics: DrainMetrics; parts: DrainParts },
  options: { /** `mcp.shutdown_timeout`, ms. */ within: number }
): Drain {
  const { clock, metrics, parts } = deps
  const logger = deps.logger.child({ area: 'drain' })
  let state: DrainStatus['state'] = 'serving'
  let since = 0
  let round: Round | undefined
  let final = false

  function status(): DrainStatus {
    return { state, running: parts.running(), ...(state === 'serving' ? {} : { since }) }
  }

  async function tell(): Promise<void> {
    try {
      const { told, missed } = await parts.announce(ANNOUNCE_WITHIN)
      if (missed > 0) logger.info('some members did not answer in time and find out by themselves', { told, missed })
    } catch (error) {
      // Whoever was not told meets a refusal and goes elsewhere: no reason to stay.
      logger.warn('the members could not be told', { error: errorMessage(error) })
    }
  }

  function begin(): Round {
    if (round !== undefined) return round
    const { promise: undone, resolve: undo } = Promise.withResolvers<void>()
    const mine: Round = { began: clock.now(), refusing: Promise.resolve(), undone, undo, over: false, measured: false }
    round = mine
    state = 'draining'
    since = Math.floor(clock.wall())
    logger.info('draining: the members are told, then new calls are refused', { running: parts.running() })
    parts.mark(true)
    mine.refusing = tell().then(() => {
      if (!mine.over) parts.refuse()
    })
    return mine
  }

  /** How a wait for `mine` ended; its time begins when nothing new comes. */
  async function ending(mine: Round, within: number): Promise<'idle' | 'late' | 'undone'> {
    await Promise.race([mine.refusing, mine.undone])
    if (mine.over) return 'undone'
    const late = Promise.withResolvers<'late'>()
    const timer = clock.after(within, () => late.resolve('late'))
    try {
      return await Promise.race([mine.undone.then(() => 'undone' as const), parts.idle().then(() => 'idle' as const), late.promise])
    } finally {
      timer.cancel()
    }
  }

  return {
    status,
    async drain({ within = options.within, final: last = false } = {}) {
      final ||= last
      const mine = begin()
      // Whoever asks again gives it more time.
      if (state === 'drained' && parts.running() > 0) state = 'draining'
      const how = await ending(mine, within)
      if (how === 'undone' || mine.over) throw new SkeinError('SKEIN_CANCELLED', 'the drain was undone: the node serves again')
      if (how === 'late') logger.warn('calls still run although the time of the drain is over', { running: parts.running(), within })
      if (state === 'draining') {
        state = 'drained'
        const ms = clock.now() - mine.began
        if (!mine.measured) metrics.seconds.observe(ms / 1000)
        mine.measured = true
        logger.info('drained', { duration_ms: Math.round(ms), running: parts.running() })
      }
      return status()
    },
    async undrain() {
      if (final) throw new SkeinError('SKEIN_BAD_REQUEST', 'this node is stopping, which cannot be undone: start it again')
      if (round === undefined) return status()
      round.over = true
      round.undo()
      round = undefined
      state = 'serving'
      logger.info('the drain is undone: the node serves again')
      parts.accept()
      // First the way in, then the word: nobody is to be refused by a node that calls.
      const until = clock.now() + WELCOME_WITHIN
      const goOn = () => !parts.welcoming() && clock.now() < until && round === undefined
      while (goOn()) await sleep(clock, WELCOME_EVERY)
      // Somebody may have begun anew meanwhile, and has told the members.
      if (round === undefined) {
        parts.mark(false)
        await tell()
      }
      return status()
    }
  }
}
