import { createServer } from 'node:net'
import { SkeinError } from '../base/errors.ts'
import { parseAddress } from './addresses.ts'

/** The host and TCP port of a listen address; undefined for ones without a fixed port. */
function fixedPort(listen: string): { host: string; port: number } | undefined {
  const parts = parseAddress(listen).address.getComponents()
  const host = parts.find((part) => part.name === 'ip4' || part.name === 'ip6')?.value
  const port = Number(parts.find((part) => part.name === 'tcp')?.value ?? 0)
  return host === undefined || port === 0 ? undefined : { host, port }
}

function isBusy(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'))
    server.listen({ host, port, ipv6Only: host.includes(':') }, () => server.close(() => resolve(false)))
  })
}

/** A port that is free on all interfaces right now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/**
 * The listen addresses to use. A busy port is SKEIN_PORT_IN_USE, unless `movable`: then all fixed ports move to one free port.
 * libp2p itself goes on silently when one of several addresses cannot be listened on, and addresses in tokens would be wrong.
 */
export async function settleListen(listen: readonly string[], options: { movable: boolean }): Promise<{ listen: string[]; movedTo: number | undefined }> {
  for (const address of listen) {
    const fixed = fixedPort(address)
    if (fixed === undefined || !(await isBusy(fixed.host, fixed.port))) continue
    if (!options.movable) {
      throw new SkeinError('SKEIN_PORT_IN_USE', `${address} (network.listen) is in use: stop the other program, or choose another port, 0 for any free one`, { data: { key: 'network.listen', address } })
    }
    const port = await freePort()
    return { listen: withPort(listen, port), movedTo: port }
  }
  return { listen: [...listen], movedTo: undefined }
}

/** The same addresses with their fixed TCP ports replaced. */
export function withPort(listen: readonly string[], port: number): string[] {
  return listen.map((address) => (fixedPort(address) === undefined ? address : address.replace(/\/tcp\/\d+/, `/tcp/${port}`)))
}
