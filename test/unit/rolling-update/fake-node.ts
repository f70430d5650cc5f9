import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Target } from '../../../scripts/rolling-update/targets.ts'

/** What a node of the test answers instead of what it should, by `<METHOD> <path>`; undefined: as it should. */
export type Answers = Record<string, (req: IncomingMessage, res: ServerResponse) => unknown>

export interface FakeNode {
  readonly target: Target
  /** `<METHOD> <path>` of all requests but the repeated looks. */
  readonly asked: string[]
  state: 'serving' | 'draining' | 'drained'
  running: number
  /** Of its life now. */
  incarnation: number
  name: string
  answers: Answers
  up(): Promise<void>
  down(): Promise<void>
}

/** The API of a node, as far as a rolling update sees it: alone in its federation, on a port that it keeps. */
export async function startFakeNode(restart: string): Promise<FakeNode> {
  let server: Server | undefined
  let port = 0
  const answers: Record<string, () => object> = {
    'GET /api/status': () => ({ name: node.name, peer: 'P-a', version: '1.0.0', pid: 7 }),
    'GET /api/members': () => ({ members: [{ self: true, peer: 'P-a', incarnation: node.incarnation }] }),
    'GET /api/registry/status': () => ({ records: [{ self: true, peer: 'P-a', servers: ['s'] }] }),
    'GET /health': () => ({}),
    'GET /ready': () => ({}),
    'GET /admin/drain': () => ({ state: node.state, running: node.running }),
    'POST /admin/drain': () => ({ state: (node.state = 'drained'), running: node.running }),
    'POST /admin/undrain': () => ({ state: (node.state = 'serving'), running: 0 }),
    'POST /admin/shutdown': () => {
      setImmediate(() => void node.down())
      return { pid: 7 }
    }
  }
  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const what = `${req.method} ${req.url}`
    if (req.method === 'POST') node.asked.push(what)
    const own = await node.answers[what]?.(req, res)
    if (res.writableEnded || res.destroyed) return
    const body = own ?? answers[what]?.()
    res.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
    res.end(JSON.stringify(body ?? {}))
  }
  const node: FakeNode = {
    target: { label: 'a', restart, dataDir: undefined, locate: () => ({ url: `http://127.0.0.1:${port}`, token: 't' }) },
    asked: [], state: 'serving', running: 0, incarnation: 1, name: 'a', answers: {},
    async up() {
      server = createServer((req, res) => void handle(req, res))
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
      await promise
      port = (server.address() as AddressInfo).port
    },
    async down() {
      const old = server
      if (old === undefined) return
      server = undefined
      const { promise, resolve } = Promise.withResolvers<void>()
      old.close(() => resolve())
      old.closeAllConnections()
      await promise
    }
  }
  await node.up()
  return node
}
