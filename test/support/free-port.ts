import { createServer, type AddressInfo } from 'node:net'

/** A loopback TCP port that nobody listened on a moment ago: for nodes that must be found again where they were. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
