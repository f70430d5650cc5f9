import { pino } from 'pino'
import type { DestinationStream } from 'pino'
import type { LogFields, Logger } from '../base/logger.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFormat = 'auto' | 'json' | 'pretty'

export interface PinoLoggerOptions {
  /** @default 'info' */
  level?: LogLevel
  /** `auto`: pretty on a terminal, else JSON. @default 'auto' */
  format?: LogFormat
  /** Where lines go. @default standard error, so that standard output stays for results */
  destination?: DestinationStream
}

export interface PinoLogger {
  logger: Logger
  /** Takes effect at once, in every child too. */
  setLevel(level: LogLevel): void
  /** Resolves when what is buffered is written, or nobody reads it; call before the process ends. */
  flush(): Promise<void>
}

const LEVELS: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50 }

/** Lines waiting for a reader that does not read; beyond this, new lines are dropped rather than memory spent. */
const MAX_BUFFERED_BYTES = 1024 * 1024

/** A reader that takes nothing for this long, ms, will not read the last lines. */
const FLUSH_WITHIN = 1_000

const STDERR = 2
/** Every line is written at once; with 0 its flush would not wait. */
const FLUSHABLE = 1

/** Field names whose values must never reach a log, at the top and one or two levels down. */
const SECRET_FIELDS = ['token', 'authorization', 'Authorization', 'cookie', 'password', 'secret', 'privateKey']
const REDACT = [...SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), 'env.*', '*.env.*', 'headers.*', '*.headers.*']

/** The parts of pino's file stream (sonic-boom) that the end needs; other destinations write at once. */
interface FileStream {
  flush?(done: () => void): void
  flushSync?: () => void
}

/**
 * Waits until what was logged is written or its reader is gone. Not with flushSync: that tries again for ever once the reader has
 * gone, so that a node under `skein start | tee` would survive its Ctrl-C.
 */
function flushOf(destination: DestinationStream): () => Promise<void> {
  const stream = destination as DestinationStream & FileStream
  return async () => {
    if (stream.flush === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      // pino calls it when the process exits.
      stream.flushSync = () => {}
      resolve()
    }, FLUSH_WITHIN)
    stream.flush(resolve)
    await promise
    clearTimeout(timer)
  }
}

async function openDestination(options: PinoLoggerOptions): Promise<{ destination: DestinationStream; flush: () => Promise<void> }> {
  const format = options.format ?? 'auto'
  const pretty = format === 'pretty' || (format === 'auto' && options.destination === undefined && process.stderr.isTTY)
  const plain = options.destination ?? pino.destination({ dest: STDERR, sync: false, minLength: FLUSHABLE, maxLength: MAX_BUFFERED_BYTES })
  if (!pretty) return { destination: plain, flush: flushOf(plain) }
  // Loaded only where a person reads: 35 ms that a service does not pay.
  const { PinoPretty } = await import('pino-pretty')
  const colorize = options.destination === undefined && process.stderr.isTTY && process.env.NO_COLOR === undefined
  return { destination: PinoPretty({ destination: plain as never, colorize, translateTime: 'SYS:HH:MM:ss.l', singleLine: true }), flush: flushOf(plain) }
}

/** The log of a process: one JSON object a line (`level`, `time` as ISO 8601, `msg`, fields), secrets replaced by `[redacted]`. */
export async function createPinoLogger(options: PinoLoggerOptions = {}): Promise<PinoLogger> {
  const { destination, flush } = await openDestination(options)
  const root = pino(
    {
      // pino copies the level into each child, so ours is checked below and changes for all at once.
      level: 'debug',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACT, censor: '[redacted]' }
    },
    destination
  )
  let least = LEVELS[options.level ?? 'info']

  function wrap(log: typeof root): Logger {
    const write = (level: LogLevel) => (message: string, fields?: LogFields) => {
      if (LEVELS[level] < least) return
      if (fields === undefined) log[level](message)
      else log[level](fields, message)
    }
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (fields) => wrap(log.child(fields) as typeof root)
    }
  }

  return {
    logger: wrap(root),
    setLevel(level) {
      least = LEVELS[level]
    },
    flush
  }
}
