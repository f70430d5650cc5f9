import { DEFAULT_SERVICE } from './expected-time.ts'

/** Weight of the newest answer: ten of them tell what a provider is worth. */
const ANSWER_WEIGHT = 0.1
/** A failure is forgiven by half in this time, so that a provider that was avoided is tried again, ms. */
const FORGIVEN_BY_HALF_MS = 5_000
/** What others have in service there may be done by now: half of it is believed after this time, ms. */
const REPORT_HALF_MS = 1_000
/** One call looks whether a provider that was found slow still is, so long after its last answer, ms. */
export const LOOK_AFTER = 5_000
/** What a quick answer leaves of an old slowness: half after this age, ms. So one good look after that time is nearly enough. */
const SLOWNESS_HALF_MS = 2_000
/** More than so many times slower makes no difference: it is avoided either way. */
const SLOWEST = 16
/** How long a tool takes is learnt from its first answers, then over this time, ms. */
const SERVICE_HALF_MS = 10_000
const FIRST_ANSWERS = 30
/** Weight of the newest answer in the slowness of a provider. */
const SLOWNESS_WEIGHT = 0.2
/** Below twice as slow as usual a difference is that of the arguments, not of the provider. */
const SLOW_FROM = 2
/** … and in the spread of its answers where that grows less: a run of long ones must not look like a provider that always takes so long. */
const SPREAD_WEIGHT = 0.05
/**
 * So many times its spread above the usual is no chance: a mean of that weight strays by a third of the spread. One tool may take 4 ms or 160 by
 * its arguments, and a provider that had some long ones in a row must not be avoided for it.
 */
const SURE_FROM = 2
/** Below this the clock measures itself, ms. */
const LEAST_SERVICE = 0.05

/** What is left of a value after `age` ms. */
function faded(value: number, age: number, half: number): number {
  return value === 0 || age <= 0 ? value : value * 2 ** (-age / half)
}

/** A number that fades to 0. */
export interface Fading {
  value: number
  at: number
}

export const createFading = (): Fading => ({ value: 0, at: 0 })

/** Of 1: how often it did not answer lately (EWMA; 1 - reliability). */
export function unreliabilityOf({ value, at }: Fading, now: number): number {
  return faded(value, now - at, FORGIVEN_BY_HALF_MS)
}

export function judge(fading: Fading, failed: boolean, now: number): void {
  const before = unreliabilityOf(fading, now)
  fading.value = before + ((failed ? 1 : 0) - before) * ANSWER_WEIGHT
  fading.at = now
}

/** Calls of others there, as the last report says. */
export function othersOf({ value, at }: Fading, now: number): number {
  return faded(value, now - at, REPORT_HALF_MS)
}

/** `value` is the logarithm, so that one very long call does not outweigh ten; `spread` how far the answers of this provider are from it. */
export interface Slowness extends Fading {
  spread: number
}

export const createSlowness = (): Slowness => ({ value: 0, at: 0, spread: 0 })

/**
 * How much slower than usual a provider is; 1 up to twice, as long as its own answers differ so much that it may be chance, and now and then for one call that looks.
 * @param idle no call of this node is there
 */
export function slownessOf({ value, at, spread }: Slowness, now: number, idle: boolean): number {
  if (value < Math.max(Math.log(SLOW_FROM), SURE_FROM * spread) || (idle && now - at >= LOOK_AFTER)) return 1
  return Math.exp(value)
}

/** An answer as slow as those long ago confirms them; a quick one says the more the older they are. One slow answer never says much. */
export function noteSlowness(slowness: Slowness, ratio: number, now: number): void {
  const off = Math.log(Math.min(SLOWEST, ratio)) - slowness.value
  const forgotten = 1 - faded(1, now - slowness.at, SLOWNESS_HALF_MS)
  slowness.value += off * (off > 0 ? SLOWNESS_WEIGHT : Math.max(SLOWNESS_WEIGHT, forgotten))
  const wider = Math.abs(off) - slowness.spread
  slowness.spread += wider * (wider > 0 ? SLOWNESS_WEIGHT : SPREAD_WEIGHT)
  slowness.at = now
}

/** How long a tool usually takes, at whatever provider: the geometric mean over the last half minute. */
export interface Usual {
  log: number
  at: number
  answers: number
}

export const createUsual = (): Usual => ({ log: 0, at: 0, answers: 0 })

/** ms. */
export function usualTime(usual: Usual | undefined): number {
  return usual === undefined || usual.answers === 0 ? DEFAULT_SERVICE : Math.exp(usual.log)
}

/** One more answer. @returns how many times the usual it took. */
export function noteTime(usual: Usual, ms: number, now: number): number {
  const log = Math.log(Math.max(LEAST_SERVICE, ms))
  const ratio = usual.answers === 0 ? 1 : Math.exp(log - usual.log)
  usual.answers++
  const recent = 1 - 2 ** (-Math.max(0, now - usual.at) / SERVICE_HALF_MS)
  const weight = usual.answers <= FIRST_ANSWERS ? Math.max(1 / usual.answers, recent) : recent
  usual.log += (log - usual.log) * weight
  usual.at = now
  return ratio
}
