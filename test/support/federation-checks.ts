import { join } from 'node:path'
import { parseExposition } from './exposition.ts'
import { ROOT, startSkein, type SkeinProcess, type StartOptions } from './skein-process.ts'
import { waitUntil } from './wait-until.ts'

/** The mcp section of a node with one server, the echo fixture, under this name. */
export function echoServer(name: string): Record<string, unknown> {
  return { graph: { enabled: false }, servers: { [name]: { command: process.execPath, args: [join(ROOT, 'test/fixtures/echo-server.ts')] } } }
}

/** Waits until the node lists tools of all these servers. */
export async function sees(node: SkeinProcess, ...servers: string[]): Promise<void> {
  await waitUntil(`${node.status().name} lists the tools of ${servers.join(', ')}`, async () => {
    const listed = new Set((await node.tools()).map((tool) => tool.server))
    return servers.every((server) => listed.has(server))
  }, { timeout: 15_000, every: 50 })
}

/** Waits until the node is connected to exactly these. */
export async function isConnectedTo(node: SkeinProcess, ...others: SkeinProcess[]): Promise<void> {
  const wanted = others.map((other) => other.status().peer).sort()
  await waitUntil(`${node.status().name} is connected to ${others.length} others`, async () => {
    const connected = (await node.peers()).filter((peer) => peer.state === 'connected').map((peer) => peer.peer)
    return connected.sort().join() === wanted.join()
  }, { timeout: 15_000, every: 50 })
}

/** The sum of a metric's series that have all these labels, as Prometheus would read it. */
export async function metricOf(node: SkeinProcess, name: string, labels: Record<string, string> = {}): Promise<number> {
  const { samples } = parseExposition(await (await fetch(node.metricsUrl())).text())
  return samples
    .filter((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0)
}

export interface RefusedStart {
  exit: number
  code: string
  message: string
}

/** Starts a node that must not come up: its exit code and the error it printed. */
export async function refusedStart(options: StartOptions): Promise<RefusedStart> {
  let node: SkeinProcess
  try {
    node = await startSkein(options)
  } catch (error) {
    const output = (error as Error).message
    const [, exit] = /^skein ended \((\d+)\)/.exec(output) ?? []
    const line = output.split('\n').find((each) => each.startsWith('{"error":{'))
    if (exit === undefined || line === undefined) throw error
    return { exit: Number(exit), ...(JSON.parse(line) as { error: { code: string; message: string } }).error }
  }
  await node.dispose()
  throw new Error(`the node started, but it should have been refused:\n${node.output()}`)
}
