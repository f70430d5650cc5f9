import { spawn } from 'node:child_process'
import { mkdtempSync, openSync, closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DrainStatus } from '../../src/node/api.ts'
import { ask } from './client.ts'
import { identityOf, poolProblem, readyProblem, seenProblem, type Identity } from './health.ts'
import { commandOf, type Target } from './targets.ts'

export interface UpdateOptions {
  /** For running calls, ms. */
  within: number
  /** For everything else that takes a while: stopping, starting, being seen, being healthy, ms each. */
  readyWithin: number
  /** The name of the node to begin with. */
  from: string | undefined
  dryRun: boolean
  say(line: string): void
}

/** How one node was replaced; times in ms. */
export interface Row {
  name: string
  from: string
  to: string
  /** From the order until nothing ran. */
  drained: number
  /** From the order to stop until its process was gone. */
  stopped: number
  /** From the restart command until /ready. */
  ready: number
  /** From then until every other node would call it. */
  seen: number
  /** From the order to drain until /ready: its own clients were refused for at most so long. */
  out: number
}

interface Node {
  target: Target
  identity: Identity
}

/** Between two looks, ms. */
const EVERY = 50
/** The port of a node closes shortly before its process ends: a start that is refused for that is tried again, so often and after so many ms. */
const STARTS = 5
const START_AGAIN = 1_000

/** A step that failed: `went` is where the node is now, `next` how to go on. */
export class UpdateFailed extends Error {
  constructor(name: string, went: string, next: string) {
    super(`${name}: ${went}. ${next}`)
  }
}

/** Asks until there is no problem; what it throws is one. Resolves with the last problem, or undefined. */
async function until(within: number, look: () => Promise<string | undefined>): Promise<string | undefined> {
  const end = performance.now() + within
  for (;;) {
    const problem = await look().catch((error: Error) => error.message)
    if (problem === undefined || performance.now() >= end) return problem
    await sleep(EVERY)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function drain({ target, identity: { name } }: Node, within: number): Promise<void> {
  const place = target.locate()
  let status = await ask<DrainStatus>(place, 'POST', '/admin/drain', { within_ms: within })
  while (status.state === 'draining') {
    await sleep(EVERY)
    status = await ask<DrainStatus>(place, 'GET', '/admin/drain')
  }
  if (status.state === 'serving') throw new UpdateFailed(name, 'somebody else has undone its drain, so it serves', 'Find out who, then start again')
  if (status.running === 0) return
  await ask(place, 'POST', '/admin/undrain')
  throw new UpdateFailed(name, `${status.running} calls still ran there after ${within} ms, so it was taken back into service`, 'Allow more with --within, or look why they hang')
}

/** Whether nobody listens at a port any more, by how a request failed. */
const GONE = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE'])

async function shutDown({ target, identity: { name, incarnation } }: Node, options: UpdateOptions): Promise<void> {
  const place = target.locate()
  const { pid } = place
  await ask(place, 'POST', '/admin/shutdown', { within_ms: options.within })
  const problem = await until(options.within + options.readyWithin, async () => {
    if (pid !== undefined) return isAlive(pid) ? `process ${pid} still runs` : undefined
    try {
      // Where something starts it again by itself, the next process may be there already.
      return (await identityOf(place)).incarnation > incarnation ? undefined : 'its port still answers'
    } catch (error) {
      if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
      throw error
    }
  })
  if (problem !== undefined) throw new UpdateFailed(name, `it was told to stop, but ${problem}`, 'Look at its log, end and start it, then go on with the next one (--from)')
}

/** Runs the restart command until the node is ready. The command may end or stay, as `skein start` does. */
async function restart({ target, identity }: Node, url: string, options: UpdateOptions, logs: string): Promise<Identity> {
  const { name, incarnation } = identity
  const command = commandOf(target, name, url)
  const log = join(logs, `${name.replaceAll(/[^\w.-]/g, '_')}.log`)
  const how = `Start it by hand (${command}; what it printed is in ${log}), then go on with the next one (--from)`
  /** The last command did not work. */
  let failed = false
  /** Why one did not. */
  let why: string | undefined
  let starts = 0
  const fail = (message: string) => {
    failed = true
    why = message
  }
  function start(): void {
    starts++
    failed = false
    const output = openSync(log, 'a', 0o600)
    // In a group of its own: Ctrl-C is for this script.
    const child = spawn('/bin/sh', ['-c', command], { detached: true, stdio: ['ignore', output, output] })
    closeSync(output)
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code, signal) => {
      if (code !== 0) fail(`the restart command ended with ${signal ?? code}`)
    })
    child.unref()
  }
  start()
  let back: Identity | undefined
  const problem = await until(options.readyWithin, async () => {
    if (failed && starts < STARTS) {
      await sleep(START_AGAIN)
      start()
    }
    const place = target.locate()
    const notReady = await readyProblem(place)
    if (notReady !== undefined) return notReady
    back = await identityOf(place)
    if (back.peer !== identity.peer) return `another node (${back.name}) answers at ${place.url}`
    return back.incarnation > incarnation ? undefined : 'the old process still answers'
  })
  if (problem !== undefined || back === undefined) throw new UpdateFailed(name, `it is stopped and not ready again after ${options.readyWithin} ms: ${why ?? problem}`, how)
  return back
}

async function waitUntilSeen(nodes: readonly Node[], before: Identity, after: Identity, within: number): Promise<void> {
  // What it offered it must offer again: the next one is taken out only when this one can stand in.
  const wanted: Identity = { ...after, servers: before.servers }
  const problem = await until(within, async () => {
    for (const { target, identity } of nodes) {
      if (identity.peer === after.peer) continue
      const unseen = await seenProblem(target.locate(), wanted, after.incarnation)
      if (unseen !== undefined) return `${identity.name} ${unseen}`
    }
    return undefined
  })
  if (problem !== undefined) throw new UpdateFailed(after.name, `it is back, but ${problem}`, 'When that is mended, go on with the next one (--from)')
}

async function replace(node: Node, nodes: readonly Node[], options: UpdateOptions, logs: string): Promise<Row> {
  const { identity } = node
  const { url } = node.target.locate()
  const times: number[] = [performance.now()]
  const lap = () => times.push(performance.now())
  options.say(`${identity.name}: draining`)
  await drain(node, options.within)
  lap()
  options.say(`${identity.name}: drained, stopping`)
  await shutDown(node, options)
  lap()
  options.say(`${identity.name}: stopped, starting`)
  const after = await restart(node, url, options, logs)
  lap()
  options.say(`${identity.name}: ready, waiting until the others see it`)
  await waitUntilSeen(nodes, identity, after, options.readyWithin)
  lap()
  node.identity = { ...after, servers: identity.servers }
  const [began, drained, stopped, ready, seen] = times.map(Math.round) as [number, number, number, number, number]
  return { name: after.name, from: identity.version, to: after.version, drained: drained - began, stopped: stopped - drained, ready: ready - stopped, seen: seen - ready, out: ready - began }
}

/**
 * Replaces node after node: all healthy, drain, stop, start, ready, seen by all others, next. `onRow` hears of each that is done.
 * @throws UpdateFailed at the first step that fails; nothing is touched after that
 */
export async function rollingUpdate(targets: readonly Target[], options: UpdateOptions, onRow: (row: Row) => void): Promise<void> {
  const nodes: Node[] = []
  for (const target of targets) {
    const identity = await identityOf(target.locate()).catch((error: Error) => {
      throw new UpdateFailed(target.label, `it cannot be asked (${error.message})`, 'Nothing was changed; start it, or take it off the list')
    })
    if (nodes.some((known) => known.identity.peer === identity.peer)) throw new UpdateFailed(identity.name, 'it stands twice in the list', 'Nothing was changed')
    nodes.push({ target, identity })
  }
  const first = options.from === undefined ? 0 : nodes.findIndex(({ identity }) => identity.name === options.from)
  if (first < 0) throw new UpdateFailed(options.from as string, 'no node of the list has this name', `There are: ${nodes.map(({ identity }) => identity.name).join(', ')}`)
  const logs = options.dryRun ? '' : mkdtempSync(join(tmpdir(), 'skein-rolling-update-'))
  for (const node of nodes.slice(first)) {
    const { name, version } = node.identity
    const problem = await until(options.dryRun ? 0 : options.readyWithin, () => poolProblem(nodes))
    if (problem !== undefined) throw new UpdateFailed(name, `it was not touched, for the federation is not healthy: ${problem}`, `Mend that, then go on with --from ${name}`)
    if (options.dryRun) options.say(`${name} (${version}): would drain it, stop it, run: ${commandOf(node.target, name, node.target.locate().url)}`)
    else onRow(await replace(node, nodes, options, logs))
  }
}
