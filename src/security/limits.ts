/** How far two clocks may differ, ms: what a machine without NTP drifts in some weeks. */
export const CLOCK_SKEW = 60_000
const DAY = 86_400_000
/** Long enough to survive a month without any issuer, short enough that a lost machine drops out by itself, ms. */
export const CREDENTIAL_LIFETIME = 30 * DAY
/** An issuer's certificate outlives the credentials it signs many times, and the founder renews its own, ms. */
export const CERTIFICATE_LIFETIME = 365 * DAY
/** Renewal starts when this share of a lifetime is over: a third is left for finding an issuer. */
export const RENEW_AFTER = 2 / 3
/** A token made for one person to paste: a day, ms. */
export const TOKEN_LIFETIME = DAY
/** A token is a bearer secret: none lives longer than this, ms. */
export const MAX_TOKEN_LIFETIME = 365 * DAY
/** Shorter than the 10 s that the asking node waits, so that it hears why, ms. */
export const FORWARD_TIMEOUT = 8_000
/** Joins waiting for another issuer at once; strangers cause them, so more are refused. */
export const MAX_FORWARDS = 32

/** Whether a document issued at `from` and ending at `to` should be renewed. */
export function isDue(from: number, to: number, now: number): boolean {
  return now >= from + (to - from) * RENEW_AFTER
}
