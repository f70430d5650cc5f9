import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import { systemClock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import { createJobRunner } from './jobs.ts'
import { limitsFromEnv, type GraphLimits } from './limits.ts'
import { createGraphServer, type GraphServer } from './server.ts'
import { spawnWorker } from './spawn.ts'
import { createGraphStore } from './store.ts'

/** Of this pack, not of the package: it changes when a tool changes. */
const VERSION = '1.0.0'
/** A document at its limit (limits.ts) with every quote escaped, and its wrapping. A longer line ends the connection. */
const MAX_LINE_BYTES = 20 * 1024 * 1024

/** stdout belongs to the protocol; whatever a person should see goes to stderr. */
const report = (error: unknown) => process.stderr.write(`skein-graph: ${errorMessage(error)}\n`)

function start(limits: GraphLimits): void {
  let current: GraphServer | undefined
  const store = createGraphStore({ limits, onListChanged: () => current?.listChanged() })
  const jobs = createJobRunner({ clock: systemClock, spawn: spawnWorker }, { deadline: limits.jobTimeout })
  const factory = () => {
    current = createGraphServer({ store, jobs, version: VERSION, onError: report })
    return current.server
  }
  const transport = new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: MAX_LINE_BYTES })
  serveStdio(factory, { transport, onerror: report })
  // The client is gone: end what still computes, and with nothing left to do the process ends.
  process.stdin.once('close', () => jobs.close())
  process.stdin.once('end', () => jobs.close())
}

try {
  start(limitsFromEnv(process.env))
} catch (error) {
  report(error)
  process.exitCode = 1
}
