import { SkeinError, isSkeinError, toSkeinError } from '../base/errors.ts'
import { toControlError } from '../wire/control.ts'
import type { CliIo } from './context.ts'

export function printLine(io: CliIo, text: string): void {
  io.stdout.write(`${text}\n`)
}

export function printJson(io: CliIo, value: unknown): void {
  printLine(io, JSON.stringify(value, undefined, 2))
}

/** Text of others on a terminal: control characters could move the cursor or forge lines. */
export function plain(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
}

/** Rows under headings, columns as wide as their widest cell and two spaces apart. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows].map((row) => row.map(plain))
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}

/** `label   value` lines, labels aligned. */
export function fields(rows: readonly (readonly [label: string, value: string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length))
  return rows.map(([label, value]) => `${label.padEnd(width)}  ${plain(value)}`).join('\n')
}

/** `text` shortened to `width` characters, on one line. */
export function shorten(text: string, width: number): string {
  const line = plain(text).trim()
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`
}

/** The sentence a person gets for any thrown value; never a stack. */
export function printError(io: CliIo, thrown: unknown, json: boolean): SkeinError {
  const error = toSkeinError(thrown)
  if (json) io.stderr.write(`${JSON.stringify({ error: toControlError(error) })}\n`)
  else io.stderr.write(`skein: ${error.message.trim()} [${error.code}]\n`)
  if (!isSkeinError(thrown) && io.env.SKEIN_LOG_LEVEL === 'debug' && thrown instanceof Error) io.stderr.write(`${thrown.stack}\n`)
  return error
}
