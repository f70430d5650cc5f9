import { spawn } from 'node:child_process'
import { mkdtempSync, openSync, closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DrainStatus } from '../../src/node/api.ts'
import { ask, isGone, Refused, type Place } from './client.ts'
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
/**
 * The port of a node closes shortly before its process ends, which at another machine is not to be seen: a start that is refused for that
 * is tried again, so often, first after so many ms, then after twice as many each time. A node that is slow to start gets its time too.
 */
const STARTS = 5
const START_AGAIN = 1_000

/** A step that failed: `went` is where the node is now, `next` how to go on. */
export class UpdateFailed extends Error {
  constructor(name: string, went: string, next: string) {
    super(`${name}: ${went}. ${next}`)
  }
}

/** Runs a part of the replacement of a node. Whatever goes wrong in it is an UpdateFailed: `went` and `next` are what the operator is told. */
async function step<T>(name: string, went: string, next: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw error instanceof UpdateFailed ? error : new UpdateFailed(name, `${went} (${(error as Error).message})`, next)
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

/** No slow answer and no hiccup of what lies between: asking again would bring the same. */
function isFinal(error: unknown): boolean {
  return error instanceof Refused ? error.status < 500 : (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
}

/** Polls until nothing runs, or well after the time for that. */
async function drained(place: Place, { within, readyWithin }: UpdateOptions): Promise<DrainStatus> {
  const end = performance.now() + within + readyWithin
  let status = await ask<DrainStatus>(place, 'POST', '/admin/drain', { within_ms: within })
  while (status.state === 'draining') {
    if (performance.now() >= end) throw new Error(`it still drains after ${within + readyWithin} ms`)
    await sleep(EVERY)
    try {
      status = await ask<DrainStatus>(place, 'GET', '/admin/drain')
    } catch (error) {
      if (isFinal(error) || performance.now() >= end) throw error
    }
  }
  return status
}

async function drain({ target, identity: { name } }: Node, options: UpdateOptions): Promise<void> {
  const place = target.locate()
  const goOn = `skein drain --undo takes it back into service if it is still drained; then go on with --from ${name}`
  const undrain = () => ask(place, 'POST', '/admin/undrain')
  let status: DrainStatus
  try {
    status = await drained(place, options)
  } catch (error) {
    const problem = (error as Error).message
    await step(name, `it could not be drained (${problem}), nor taken back into service`, goOn, undrain)
    throw new UpdateFailed(name, `it could not be drained (${problem}), so it was taken back into service`, `Look at its log, then go on with --from ${name}`)
  }
  if (status.state === 'serving') throw new UpdateFailed(name, 'somebody else has undone its drain, so it serves', 'Find out who, then start again')
  if (status.running === 0) return
  const still = `${status.running} calls still ran there after ${options.within} ms`
  await step(name, `${still}, and it could not be taken back into service`, goOn, undrain)
  throw new UpdateFailed(name, `${still}, so it was taken back into service`, 'Allow more with --within, or look why they hang')
}

async function shutDown({ target, identity: { name, incarnation } }: Node, options: UpdateOptions): Promise<void> {
  const place = target.locate()
  const { pid } = place
  // An answer that is lost says nothing: what counts is whether it stops.
  await ask(place, 'POST', '/admin/shutdown', { within_ms: options.within }).catch((error: unknown) => {
    if (error instanceof Refused) throw error
  })
  const problem = await until(options.within + options.readyWithin, async () => {
    if (pid !== undefined) return isAlive(pid) ? `process ${pid} still runs` : undefined
    try {
      // Where something starts it again by itself, the next process may be there already.
      return (await identityOf(place)).incarnation > incarnation ? undefined : 'its port still answers'
    } catch (error) {
      if (isGone(error)) return undefined
      throw error
    }
  })
  if (problem !== undefined) throw new UpdateFailed(name, `it was told to stop, but ${problem}`, 'Look at its log, end and start it, then go on with the next one (--from)')
}

/** Whether anything is at a place: also a node that is not ready, or too busy to answer. */
function isUp(place: Place): Promise<boolean> {
  return ask(place, 'GET', '/health').then(
    () => true,
    (error: unknown) => !isGone(error)
  )
}

/**
 * Runs the restart command and waits until the node is ready. The command may end or stay, as `skein start` does; how it ends says little:
 * what counts is whether the node comes. Only where nothing comes, and the old process may have been in the way, it is run again.
 */
async function restart({ target, identity }: Node, url: string, options: UpdateOptions, logs: string): Promise<Identity> {
  const { name, incarnation } = identity
  const command = commandOf(target, name, url)
  const log = join(logs, `${name}.log`)
  const how = `Start it by hand (${command}; what it printed is in ${log}), then go on with the next one (--from)`
  /** When the last command ended without success, ms. */
  let failedAt: number | undefined
  /** Why one did not succeed. */
  let why: string | undefined
  let starts = 0
  const fail = (message: string) => {
    failedAt = performance.now()
    why = message
  }
  function start(): void {
    starts++
    failedAt = undefined
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
  /** A node on this machine is started when its process has ended: nothing can have been in the way. */
  const isToRepeat = () => target.dataDir === undefined && starts < STARTS && failedAt !== undefined && performance.now() - failedAt >= START_AGAIN * 2 ** (starts - 1)
  let back: Identity | undefined
  async function look(): Promise<string | undefined> {
    const place = target.locate()
    const notReady = await readyProblem(place)
    if (notReady !== undefined) {
      if (isToRepeat() && !(await isUp(place))) start()
      return notReady
    }
    back = await identityOf(place)
    if (back.peer !== identity.peer) return `another node (${back.name}) answers at ${place.url}`
    return back.incarnation > incarnation ? undefined : 'the old process still answers'
  }
  await step(name, 'it is stopped, and the restart command could not be run', how, async () => start())
  const problem = await until(options.readyWithin, look)
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
  const { name } = identity
  const fromHere = `go on with --from ${name}`
  const { url } = await step(name, 'it was not touched, for it cannot be found', `Start it, then ${fromHere}`, async () => node.target.locate())
  const times: number[] = [performance.now()]
  const lap = () => times.push(performance.now())
  options.say(`${name}: draining`)
  await step(name, 'it could not be drained', `See whether it serves (skein drain --undo), then ${fromHere}`, () => drain(node, options))
  lap()
  options.say(`${name}: drained, stopping`)
  await step(name, 'it is drained, and could not be told to stop', `Take it back into service (skein drain --undo), then ${fromHere}`, () => shutDown(node, options))
  lap()
  options.say(`${name}: stopped, starting`)
  const after = await restart(node, url, options, logs)
  lap()
  options.say(`${name}: ready, waiting until the others see it`)
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
    const identity = await step(target.label, 'it cannot be asked', 'Nothing was changed; start it, or take it off the list', async () => identityOf(target.locate()))
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
    if (options.dryRun) {
      const { url } = await step(name, 'it cannot be found any more', 'Nothing was changed', async () => node.target.locate())
      options.say(`${name} (${version}): would drain it, stop it, run: ${commandOf(node.target, name, url)}`)
    }
    else onRow(await replace(node, nodes, options, logs))
  }
}
