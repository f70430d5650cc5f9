import { SkeinError } from '../base/errors.ts'

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `500ms`, `20s`, `30m`, `24h`, `7d`, or a plain number of seconds, as ms. @throws SKEIN_USAGE naming the option */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim())
  const value = match === null ? Number.NaN : Number(match[1]) * (UNITS[match[2] ?? 's'] as number)
  if (!Number.isFinite(value) || value <= 0) {
    throw new SkeinError('SKEIN_USAGE', `${option} wants a duration such as 500ms, 20s, 30m, 24h or 7d, not "${text}".`)
  }
  return value
}

/** A whole number in a range. @throws SKEIN_USAGE naming the option */
export function parseWhole(text: string, option: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw new SkeinError('SKEIN_USAGE', `${option} wants a whole number from ${min} to ${max}, not "${text}".`)
  return value
}

/** The two largest units of a span: `3d 4h`, `12m 5s`, `40s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's']
  ]
  const first = parts.findIndex(([amount]) => amount > 0)
  if (first === -1) return '0s'
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0)
  return shown.map(([amount, unit]) => `${amount}${unit}`).join(' ')
}
