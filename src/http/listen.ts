import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SkeinError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'

export interface ListenOptions {
  host: string
  /** 0 takes any free port. */
  port: number
  /** The configuration keys to name when it does not work, such as `network.http_port`. */
  portKey: string
  hostKey: string
  /** Take any free port when this one is busy: for a first start where nobody chose the port. @default false */
  fallbackToFree?: boolean
}

function listenOnce(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function explain(error: unknown, options: ListenOptions): unknown {
  const { host, port, portKey, hostKey } = options
  const data = { host, port, key: portKey }
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new SkeinError(
        'SKEIN_PORT_IN_USE',
        `Port ${port} on ${host} is already in use. Set ${portKey} to a free port (0 takes any), or stop the program that uses it.`,
        { cause: error, data }
      )
    case 'EACCES':
      return new SkeinError('SKEIN_CONFIG', `This user may not listen on port ${port}. Set ${portKey} to a port above 1023.`, { cause: error, data })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new SkeinError('SKEIN_CONFIG', `This machine has no address ${host} to listen on. Set ${hostKey} to one of its own, or to 127.0.0.1.`, {
        cause: error,
        data: { host, port, key: hostKey }
      })
    default:
      return error
  }
}

/**
 * Listens and tells the port.
 * @throws SKEIN_PORT_IN_USE, or SKEIN_CONFIG when the address cannot be used at all
 */
export async function listenOn(server: Server, options: ListenOptions, logger: Logger): Promise<number> {
  try {
    return await listenOnce(server, options.host, options.port)
  } catch (error) {
    if (options.fallbackToFree !== true || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw explain(error, options)
    const port = await listenOnce(server, options.host, 0)
    logger.warn(`port ${options.port} is busy, using ${port}; set ${options.portKey} to choose one`, { port })
    return port
  }
}

/** A URL that works on this machine: addresses that mean "all" become loopback. */
export function localUrl(host: string, port: number): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

/** Ends a server: no new connections, idle ones closed; with `now` also those at work. */
export function closeServer(server: Server, options: { now: boolean }): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    if (options.now) server.closeAllConnections()
    else server.closeIdleConnections()
  })
}
