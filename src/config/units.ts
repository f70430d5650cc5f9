const MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const BYTES = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 } as const

/** Milliseconds of a duration: a number is seconds, a text is a number with ms, s, m, h or d. Undefined: not a duration. */
export function parseDuration(value: number | string): number | undefined {
  if (typeof value === 'number') return finite(value * 1_000)
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)?$/.exec(value.trim())
  if (match === null) return undefined
  return finite(Number(match[1]) * MS[(match[2] ?? 's') as keyof typeof MS])
}

/** Bytes of a size: a number is bytes, a text is a number with B, KiB, MiB or GiB. Undefined: not a size. */
export function parseSize(value: number | string): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? finite(value) : undefined
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(B|KiB|MiB|GiB)?$/.exec(value.trim())
  if (match === null) return undefined
  const bytes = Number(match[1]) * BYTES[(match[2] ?? 'B') as keyof typeof BYTES]
  return Number.isInteger(bytes) ? finite(bytes) : undefined
}

/** The shortest text that parseDuration reads back as `ms`. */
export function formatDuration(ms: number): string {
  return format(ms, MS, 'ms')
}

/** The shortest text that parseSize reads back as `bytes`. */
export function formatSize(bytes: number): string {
  return format(bytes, BYTES, 'B')
}

function format(value: number, units: Record<string, number>, smallest: string): string {
  if (value === 0) return `0${smallest}`
  // A day reads worse than 24h in a file that otherwise speaks of hours, so `d` only from two days on.
  const [name, factor] = Object.entries(units).findLast(([unit, by]) => value % by === 0 && (unit !== 'd' || value >= 2 * by)) ?? [smallest, 1]
  return `${value / factor}${name}`
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) && value >= 0 ? value : undefined
}
