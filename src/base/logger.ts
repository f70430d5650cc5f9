export type LogFields = Record<string, unknown>

/** Structured logging as domains see it: a sentence and fields. Implemented by telemetry/ (pino). */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds `fields` (such as `{ area: 'rpc' }` or `{ correlation }`) to every line. */
  child(fields: LogFields): Logger
}

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger
}
