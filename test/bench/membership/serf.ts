import { execFile, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Contender, Place, Sighting, Started } from '../../support/member-cluster.ts'
import { inside } from '../../support/namespaces.ts'
import { SERF_RPC_PORT } from './serf-rpc.ts'

const SERF = process.env['SERF'] ?? '/usr/bin/serf'
const GOSSIP_PORT = 7946

/** Texts of Serf 0.8 to 0.10 and its memberlist, at log level debug. */
const LINES: readonly (readonly [RegExp, Sighting['event']])[] = [
  [/EventMemberJoin: (\S+)/, 'joined'],
  [/EventMemberFailed: (\S+)/, 'failed'],
  [/EventMemberLeave: (\S+)/, 'left'],
  [/Suspect (\S+) has failed, no acks/, 'accused'],
  [/Refuting a (?:suspect|dead) message \(from: (\S+)\)/, 'refuted']
]

/** The version, or undefined where it is not installed. */
export function serfVersion(): string | undefined {
  try {
    return execFileSync(SERF, ['version'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString().split('\n')[0]
  } catch {
    return undefined
  }
}

/** @param prefix the words before a command that is to run where all agents are; undefined if each has a namespace of its own */
export function serf(profile: 'lan' | 'local', prefix: readonly string[] | undefined): Contender {
  const rpcHost = (place: Place) => (prefix === undefined ? '127.0.0.1' : place.address)
  const rpc = prefix === undefined ? undefined : startRpc(prefix)
  return {
    name: `serf ${profile}`,
    stdin: false,
    command: (place) => [
      SERF, 'agent', `-node=${place.name}`, `-bind=${place.address}:${GOSSIP_PORT}`, `-rpc-addr=${rpcHost(place)}:${SERF_RPC_PORT}`,
      `-profile=${profile}`, '-log-level=debug'
    ],
    read(line) {
      // After this line the agent answers on its RPC port.
      if (line.includes('Log data will now stream')) return 'ready'
      for (const [pattern, event] of LINES) {
        const about = pattern.exec(line)?.[1]
        if (about !== undefined) return { event, about }
      }
      return undefined
    },
    async prepareJoin({ place }) {
      await rpc?.ask({ host: rpcHost(place) })
    },
    join({ place }, seed) {
      const seeds = [`${seed.address}:${GOSSIP_PORT}`]
      return rpc === undefined ? joinByCommand(place, seeds) : rpc.ask({ host: rpcHost(place), seeds })
    },
    // An interrupt makes the agent leave before it ends.
    leave: ({ child }: Started) => void child.kill('SIGINT'),
    close: () => rpc?.close()
  }
}

/** In a namespace of its own an agent can only be told from inside. */
function joinByCommand({ namespace = '' }: Place, seeds: string[]): Promise<void> {
  const [program = '', ...args] = [...inside(namespace), SERF, 'join', `-rpc-addr=127.0.0.1:${SERF_RPC_PORT}`, ...seeds]
  return new Promise((done, fail) => {
    execFile(program, args, { timeout: 30_000 }, (error) => (error === null ? done() : fail(error)))
  })
}

function startRpc(prefix: readonly string[]): { ask(question: { host: string; seeds?: string[] }): Promise<void>; close(): void } {
  const [program = '', ...args] = [...prefix, process.execPath, join(import.meta.dirname, 'serf-rpc.ts')]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map<number, (error: string | undefined) => void>()
  let last = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, error } = JSON.parse(line) as { id: number; error?: string }
    waiting.get(id)?.(error)
    waiting.delete(id)
  })
  return {
    ask: (question) =>
      new Promise((done, fail) => {
        const id = ++last
        waiting.set(id, (error) => (error === undefined ? done() : fail(new Error(`Serf's RPC at ${question.host}: ${error}`))))
        child.stdin.write(`${JSON.stringify({ id, ...question })}\n`)
      }),
    close: () => void child.stdin.end()
  }
}
