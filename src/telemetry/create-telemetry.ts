import { Registry, collectDefaultMetrics } from 'prom-client'
import type { Logger } from '../base/logger.ts'
import { createMeter } from '../base/meter.ts'
import type { MemoryMeter } from '../base/meter.ts'
import { createEventLoopMetrics } from './metrics.ts'
import { createPinoLogger } from './pino-logger.ts'
import type { LogLevel, PinoLoggerOptions } from './pino-logger.ts'
import { renderMetrics } from './render-metrics.ts'

export interface TelemetryOptions extends PinoLoggerOptions {
  /** Watch the process (memory, CPU, garbage collection, event loop). Off in tests with many nodes. @default true */
  processMetrics?: boolean
}

export interface Telemetry {
  logger: Logger
  meter: MemoryMeter
  /** Hand this to `prometheusMetrics({ registry, collectDefaultMetrics: false, preserveExistingMetrics: true })`. */
  libp2pRegistry: Registry
  /** Everything known, in the Prometheus text format. */
  metricsText(): Promise<string>
  /** The Content-Type of metricsText. */
  contentType: string
  setLogLevel(level: LogLevel): void
  /** Stops the watchers and writes out buffered log lines. */
  stop(): Promise<void>
}

/** prom-client would sample the event loop a second time, at 100 wake-ups a second; an interval this long never fires. */
const NEVER = 2 ** 31 - 1

function processRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER })
  for (const { name } of registry.getMetricsAsArray()) {
    // skein_event_loop_lag_seconds replaces them.
    if (name.startsWith('nodejs_eventloop_lag')) registry.removeSingleMetric(name)
  }
  return registry
}

/** Logs and metrics of one node. */
export async function createTelemetry(options: TelemetryOptions = {}): Promise<Telemetry> {
  const { logger, setLevel, flush } = await createPinoLogger(options)
  const meter = createMeter()
  const libp2pRegistry = new Registry()
  const watched = options.processMetrics !== false
  const extra = watched ? [processRegistry(), libp2pRegistry] : [libp2pRegistry]
  const eventLoop = watched ? createEventLoopMetrics(meter) : undefined
  return {
    logger,
    meter,
    libp2pRegistry,
    metricsText: () => renderMetrics(meter.snapshot(), extra),
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    setLogLevel: setLevel,
    async stop() {
      eventLoop?.stop()
      await flush()
    }
  }
}
