import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { identityOf } from '../../../scripts/rolling-update/health.ts'
import { rollingUpdate, UpdateFailed, type Row, type UpdateOptions } from '../../../scripts/rolling-update/update.ts'
import { temporaryDirectory } from '../config/files.ts'
import { startFakeNode, type FakeNode } from './fake-node.ts'

const directory = temporaryDirectory()
let nodes: FakeNode[] = []
let watchers: NodeJS.Timeout[] = []
afterEach(async () => {
  for (const watcher of watchers) clearInterval(watcher)
  for (const node of nodes) await node.down()
  nodes = []
  watchers = []
})

async function fake(restart = 'true'): Promise<FakeNode> {
  const node = await startFakeNode(restart)
  nodes.push(node)
  return node
}

/** A command that writes a line for each time it ran. */
let commands = 0
function counted(end = ''): { command: string; runs(): number } {
  const file = join(directory, `ran-${++commands}`)
  return { command: `echo x >> ${file}; ${end}`, runs: () => (existsSync(file) ? readFileSync(file, 'utf8').length / 2 : 0) }
}

/** The node comes back `after` ms after the first run, in a new life. */
function comesBack(node: FakeNode, runs: () => number, after = 0): void {
  let since: number | undefined
  const watcher = setInterval(() => {
    if (runs() === 0) return
    since ??= performance.now()
    if (performance.now() - since < after) return
    clearInterval(watcher)
    Object.assign(node, { incarnation: 2, state: 'serving' })
    void node.up()
  }, 5)
  watchers.push(watcher)
}

async function update(node: FakeNode, options: Partial<UpdateOptions> = {}): Promise<{ rows: Row[]; error: unknown }> {
  const rows: Row[] = []
  const error = await rollingUpdate([node.target], { within: 200, readyWithin: 300, from: undefined, dryRun: false, say() {}, ...options }, (row) => rows.push(row)).then(
    () => undefined,
    (failure: unknown) => failure
  )
  return { rows, error }
}

const broken: FakeNode['answers'][string] = (_req, res) => res.destroy()
const refused: FakeNode['answers'][string] = (_req, res) => res.writeHead(401).end('no')

describe('a step that fails says which node it was, what was being done and how to go on', () => {
  test('it cannot be found at all', async () => {
    const node = await fake()
    node.target.locate = () => {
      throw new Error('no node runs in /a (no run.json)')
    }
    const { error } = await update(node)
    expect(error).toBeInstanceOf(UpdateFailed)
    expect(String(error)).toMatch(/a: it cannot be asked \(no node runs in \/a \(no run.json\)\)\. Nothing was changed/)
  })

  test.each([true, false])('it is gone when its turn comes; dry run: %s', async (dryRun) => {
    const node = await fake()
    const { locate } = node.target
    let left = 2
    node.target.locate = () => {
      if (left-- > 0) return locate()
      throw new Error('no run.json')
    }
    const { error } = await update(node, { dryRun })
    expect(error).toBeInstanceOf(UpdateFailed)
    expect(String(error)).toMatch(dryRun ? /a: it cannot be found any more \(no run.json\)/ : /a: it was not touched, for it cannot be found \(no run.json\)\. Start it, then go on with --from a/)
  })

  test('the order to drain is not answered: it is taken back into service', async () => {
    const node = await fake()
    node.answers = { 'POST /admin/drain': broken }
    const { error } = await update(node)
    expect(error).toBeInstanceOf(UpdateFailed)
    expect(String(error)).toMatch(/a: it could not be drained \(.+\), so it was taken back into service\. .+ --from a/)
    expect(node.asked).toEqual(['POST /admin/drain', 'POST /admin/undrain'])
  })

  test('nor the order to take it back', async () => {
    const node = await fake()
    node.running = 3
    node.answers = { 'POST /admin/undrain': broken }
    const { error } = await update(node)
    expect(error).toBeInstanceOf(UpdateFailed)
    expect(String(error)).toMatch(/a: 3 calls still ran there after 200 ms, and it could not be taken back into service \(.+\)\. skein drain --undo takes .+ --from a/)
  })

  test('the order to stop is refused', async () => {
    const node = await fake()
    node.answers = { 'POST /admin/shutdown': refused }
    const { error } = await update(node)
    expect(error).toBeInstanceOf(UpdateFailed)
    expect(String(error)).toMatch(/a: it is drained, and could not be told to stop \(.*401.*\)\. .*skein drain --undo.* --from a/)
  })

  test('slow or lost answers while it drains are none; the poll has an end', async () => {
    const { command, runs } = counted()
    const node = await fake(command)
    let looks = 0
    node.answers = {
      'POST /admin/drain': () => ({ state: (node.state = 'draining'), running: 1 }),
      'GET /admin/drain'(_req, res) {
        // The first look is that of the healthy pool.
        if (++looks <= 2 || looks > 4) return
        if (looks === 4) node.state = 'drained'
        res.destroy()
      }
    }
    comesBack(node, runs)
    expect(await update(node, { readyWithin: 2_000 })).toMatchObject({ error: undefined, rows: [{ name: 'a' }] })
    expect(looks).toBeGreaterThan(4)

    const forever = await fake()
    forever.answers = { 'POST /admin/drain': () => ({ state: (forever.state = 'draining'), running: 1 }) }
    const { error } = await update(forever)
    expect(String(error)).toMatch(/a: it could not be drained \(it still drains after 500 ms\), so it was taken back into service/)
  })

  test('an answer to the order to stop that is lost is no failure', async () => {
    const { command, runs } = counted()
    const node = await fake(command)
    node.answers = { 'POST /admin/shutdown': () => node.down() }
    comesBack(node, runs)
    expect(await update(node, { readyWithin: 2_000 })).toMatchObject({ error: undefined, rows: [{ name: 'a' }] })
  })
})

describe('a restart command that ends with a failure', () => {
  test('does not matter when the node comes back', async () => {
    const { command, runs } = counted('exit 3')
    const node = await fake(command)
    comesBack(node, runs, 300)
    expect(await update(node, { readyWithin: 5_000 })).toMatchObject({ error: undefined, rows: [{ name: 'a' }] })
    expect(runs()).toBe(1)
  })

  test('is not run again over a node that is up, and not ready yet', async () => {
    const { command, runs } = counted('exit 3')
    const node = await fake(command)
    comesBack(node, runs)
    const ready = performance.now() + 2_500
    node.answers = { 'GET /ready': (_req, res) => performance.now() < ready && node.incarnation === 2 && res.writeHead(503).end() }
    expect(await update(node, { readyWithin: 10_000 })).toMatchObject({ error: undefined })
    expect(runs()).toBe(1)
  })

  test('is run again while nothing comes, and said when nothing ever does', async () => {
    const { command, runs } = counted('exit 3')
    const node = await fake(command)
    const { error } = await update(node, { readyWithin: 1_600 })
    expect(String(error)).toMatch(/a: it is stopped and not ready again after 1600 ms: the restart command ended with 3\. Start it by hand/)
    expect(runs()).toBe(2)
  })

  test('is never run again for a node on this machine', async () => {
    const { command, runs } = counted('exit 3')
    const node = await fake(command)
    node.target.dataDir = directory
    const { error } = await update(node, { readyWithin: 1_600 })
    expect(String(error)).toMatch(/the restart command ended with 3/)
    expect(runs()).toBe(1)
  })
})

test.each(['$(rm -rf x)', "a' b", '-rf', '', 'a'.repeat(64), 'a/b', 'ä', 'a\nb'])('a node that says the name %j is not asked further', async (name) => {
  const node = await fake()
  node.name = name
  await expect(identityOf(node.target.locate())).rejects.toThrow(/says a name that no node can have/)
  const { error } = await update(node)
  expect(error).toBeInstanceOf(UpdateFailed)
  expect(node.asked).toEqual([])
  node.name = 'node-1.b_C'
  expect((await identityOf(node.target.locate())).name).toBe('node-1.b_C')
})
