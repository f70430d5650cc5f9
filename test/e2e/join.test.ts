import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFounder, tokenOf } from '../support/security-world.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { echoServer, isConnectedTo, metricOf, refusedStart, sees } from '../support/federation-checks.ts'
import { freePort } from '../support/free-port.ts'
import { makeToken, runSkein, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'

const NO_SERVERS = { graph: { enabled: false } }
const plain = (id: string, more: Record<string, unknown> = {}) => ({ node: { id }, network: more, mcp: NO_SERVERS })
/** Nobody listens there: connections are refused at once. */
const NOWHERE = '/ip4/127.0.0.1/tcp/9'
const REFUSED = 4

const running = new Set<SkeinProcess>()
const folders: string[] = []

async function start(...args: Parameters<typeof startSkein>): Promise<SkeinProcess> {
  const node = await startSkein(...args)
  running.add(node)
  return node
}

/** Same data directory, same configuration, no token. */
async function restart(node: SkeinProcess, config: Record<string, Record<string, unknown>>, signal: NodeJS.Signals = 'SIGKILL'): Promise<SkeinProcess> {
  await node.kill(signal)
  running.delete(node)
  return start({ dataDir: node.dataDir, config })
}

async function dispose(...nodes: SkeinProcess[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.dispose()))
  for (const node of nodes) running.delete(node)
}

function folder(): string {
  const made = tempDataDir()
  folders.push(made)
  return made
}

afterAll(async () => {
  await Promise.allSettled(Object.values(givingUp))
  await dispose(...running)
  for (const made of folders) rmSync(made, { recursive: true, force: true })
})

async function listenConfig(): Promise<{ address: string; network: Record<string, unknown> }> {
  const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
  return { address, network: { listen: [address] } }
}

/** Whether a start that is refused only after half a minute, when it gives up, was refused: it waits beside the other tests, which take longer. */
const givingUp = {} as Record<'overTheWire' | 'withoutIssuer', Promise<GaveUp>>

interface GaveUp {
  refusal: Awaited<ReturnType<typeof refusedStart>>
  /** Who could have let it in. */
  issuer: string
}

async function overTheWire(): Promise<GaveUp> {
  const [y, z] = await Promise.all(['y', 'z'].map((id) => start({ config: { ...plain(id), security: { federation: `fed-${id}` } } }))) as [SkeinProcess, SkeinProcess]
  const token = await makeToken(z)
  const bootstrap = y.status().addresses
  // While the token's own nodes answer, a stray bootstrap node is no obstacle.
  const lucky = await start({ token: await makeToken(z), config: plain('lucky', { bootstrap }) })
  await isConnectedTo(z, lucky)
  await dispose(lucky, z)
  const refusal = await refusedStart({ dataDir: folder(), token, readyWithin: 50_000, config: plain('stray', { bootstrap }) })
  await dispose(y)
  return { refusal, issuer: z.status().peer }
}

async function withoutIssuer(): Promise<GaveUp> {
  const issuer = await start({ config: plain('issuer') })
  const member = await start({ token: await makeToken(issuer), config: plain('member') })
  await isConnectedTo(member, issuer)
  const token = await makeToken(issuer)
  await issuer.kill()
  const refusal = await refusedStart({ dataDir: folder(), token, readyWithin: 50_000, config: plain('early', { bootstrap: member.status().addresses }) })
  await dispose(issuer, member)
  return { refusal, issuer: issuer.status().peer }
}

beforeAll(() => {
  Object.assign(givingUp, { overTheWire: overTheWire(), withoutIssuer: withoutIssuer() })
  // Each is awaited by its test, at the end.
  for (const each of Object.values(givingUp)) each.catch(() => {})
})

describe('joining', () => {
  test('the printed command alone is enough', async () => {
    const a = await start({ human: true, config: { node: { id: 'a' }, mcp: echoServer('alpha') } })
    const [, command] = /join with\s+npx skein (join \S+)\n/.exec(a.output()) ?? []
    expect(command, a.output()).toBeDefined()
    const dataDir = folder()
    const joined = await runSkein([...(command as string).split(' '), '--data-dir', dataDir])
    expect(joined, joined.stderr).toMatchObject({ code: 0, stderr: '' })
    const began = performance.now()
    const b = await start({ dataDir, config: { node: { id: 'b' }, mcp: echoServer('beta') } })
    await Promise.all([sees(a, 'alpha', 'beta'), sees(b, 'alpha', 'beta')])
    console.log(`both list each other's tools ${Math.round(performance.now() - began)} ms after skein start`)
    const call = await b.cli('call', 'alpha__echo', '{"text":"from b to a"}')
    expect(call.stdout, call.stderr).toContain('from b to a')
    await dispose(a, b)
  })

  test('joined nodes and their issuer find each other again after restarts, without the token, and a third finds both', async () => {
    const { network } = await listenConfig()
    const config = { a: { node: { id: 'a' }, network, mcp: echoServer('alpha') }, b: { node: { id: 'b' }, mcp: echoServer('beta') } }
    let a = await start({ config: config.a })
    const dataDir = folder()
    const joined = await runSkein(['join', await makeToken(a), '--data-dir', dataDir])
    expect(joined.code, joined.stderr).toBe(0)
    let b = await start({ dataDir, config: config.b })
    await sees(b, 'alpha', 'beta')

    rmSync(join(dataDir, 'join.token'))
    b = await restart(b, config.b)
    await Promise.all([sees(a, 'alpha', 'beta'), sees(b, 'alpha', 'beta')])

    a = await restart(a, config.a)
    const began = performance.now()
    await Promise.all([sees(a, 'alpha', 'beta'), sees(b, 'alpha', 'beta')])
    expect(performance.now() - began).toBeLessThan(10_000)

    // B's address is another one now, and it comes back while A is away: each must find the other by what it remembers.
    await a.kill('SIGTERM')
    b = await restart(b, config.b, 'SIGTERM')
    a = await start({ dataDir: a.dataDir, config: config.a })
    await Promise.all([isConnectedTo(a, b), isConnectedTo(b, a)])

    const c = await start({ token: await makeToken(a), config: { node: { id: 'c' }, mcp: NO_SERVERS } })
    await Promise.all([isConnectedTo(c, a, b), isConnectedTo(a, b, c), isConnectedTo(b, a, c), sees(c, 'alpha', 'beta')])
    await dispose(a, b, c)
  })
})

describe('refusals have exit code 4 and say why', () => {
  let x: SkeinProcess
  let y: SkeinProcess
  const joinCommand = (token: string, dataDir = folder()) => runSkein(['join', token, '--data-dir', dataDir])

  beforeAll(async () => {
    ;[x, y] = await Promise.all([start({ config: { ...plain('x'), security: { federation: 'fed-x' } } }), start({ config: { ...plain('y'), security: { federation: 'fed-y' } } })])
  })

  test('an expired token, at the issuer', async () => {
    const token = await makeToken(x, { expires: 1 })
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const refusal = await refusedStart({ dataDir: folder(), token, config: plain('late') })
    expect(refusal).toMatchObject({ exit: REFUSED, code: 'SKEIN_TOKEN_EXPIRED', message: expect.stringMatching(/^the token expired on [\dT:.-]+Z: ask for a new one$/) })
  })

  test('an expired token, at the command', async () => {
    const clock = createManualClock()
    const yesterday = tokenOf(createFounder(1, clock))
    const { code, stderr } = await joinCommand(yesterday)
    expect(code).toBe(REFUSED)
    expect(stderr).toMatch(/^skein: the token expired on .*ask for a new one \[SKEIN_TOKEN_EXPIRED\]\n$/)
  })

  test('a token of another federation, for a node that is a member already', async () => {
    const dataDir = folder()
    const member = await start({ dataDir, token: await makeToken(x), config: plain('member') })
    const foreign = await makeToken(y)
    // While it runs and afterwards.
    const whileRunning = await joinCommand(foreign, dataDir)
    await member.kill('SIGTERM')
    running.delete(member)
    for (const { code, stderr } of [whileRunning, await joinCommand(foreign, dataDir)]) {
      expect(code).toBe(REFUSED)
      expect(stderr).toMatch(/belongs to federation "fed-x" .*another data directory.*\[SKEIN_ALREADY_JOINED\]/)
    }
    expect(await refusedStart({ dataDir, token: foreign, config: plain('member') })).toMatchObject({ exit: REFUSED, code: 'SKEIN_ALREADY_JOINED' })
  })

  test('a tampered token, wherever it was changed, and what is no token at all', async () => {
    const token = await makeToken(x)
    const flip = (at: number) => token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
    const places = [0, 6, 10, ...[0.2, 0.4, 0.6, 0.8].map((share) => Math.floor(token.length * share)), token.length - 2]
    const bad = [...places.map(flip), token.slice(0, -10), `${token}AAAA`, 'garbage', 'skein_', `skein_${'x'.repeat(100_000)}`]
    for (const text of bad) {
      const { code, stdout, stderr } = await joinCommand(text)
      expect(code, `${text.slice(0, 80)}: ${stdout}${stderr}`).toBe(REFUSED)
      expect(stderr).toMatch(/^skein: .{20,}\[SKEIN_TOKEN_INVALID\]\n$/)
      expect(stderr.length).toBeLessThan(400)
    }
    const refusal = await refusedStart({ dataDir: folder(), token: flip(places[4] as number), config: plain('forger') })
    expect(refusal).toMatchObject({ exit: REFUSED, code: 'SKEIN_TOKEN_INVALID' })
  })

  test('a token that is used up', async () => {
    const token = await makeToken(x)
    const first = await start({ token, config: plain('first') })
    const refusal = await refusedStart({ dataDir: folder(), token, config: plain('second') })
    expect(refusal).toMatchObject({ exit: REFUSED, code: 'SKEIN_TOKEN_USED', message: expect.stringMatching(/was used by another node already .*ask for a new one$/) })
    await dispose(first)
  })
})

test('a token of one use redeemed at two nodes at once admits exactly one, whichever member is asked; the count survives a restart', async () => {
  const { network } = await listenConfig()
  const configA = { node: { id: 'a' }, network, mcp: NO_SERVERS }
  let a = await start({ config: configA })
  const b = await start({ token: await makeToken(a), config: { node: { id: 'b' }, mcp: NO_SERVERS } })
  await isConnectedTo(b, a)
  const winners: string[] = []
  let last = ''
  for (let round = 0; round < 5; round++) {
    const token = await makeToken(a)
    const attempt = (id: string, more: Record<string, unknown>) => start({ dataDir: folder(), token, config: { node: { id }, network: more, mcp: NO_SERVERS } })
    // The token itself names only A; a bootstrap node is asked first.
    const results = await Promise.allSettled([attempt('through-a', {}), attempt('through-b', { bootstrap: b.status().addresses })])
    const admitted = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []))
    expect(admitted.length, refused.join('\n')).toBe(1)
    expect(refused[0]).toMatch(/skein ended \(4\)[^]*SKEIN_TOKEN_USED/)
    winners.push((admitted[0] as SkeinProcess).status().name)
    await dispose(...admitted)
    last = token
  }
  // The one through B came to A as a request that a member forwarded.
  expect(a.output().split('\n').filter((line) => line.includes('"kind":"redeem"')).length).toBe(5)
  console.log(`admitted in each round: ${winners.join(', ')}`)

  a = await restart(a, configA)
  const { stdout } = await a.cli('token', 'ls', '--json')
  const counts = (JSON.parse(stdout) as { uses: number; used: number }[]).filter(({ used }) => used > 0)
  expect(counts).toEqual(Array.from({ length: 6 }, () => expect.objectContaining({ uses: 1, used: 1 })))
  expect(await refusedStart({ dataDir: folder(), token: last, config: { mcp: NO_SERVERS } })).toMatchObject({ exit: REFUSED, code: 'SKEIN_TOKEN_USED' })
  await dispose(a, b)
}, 120_000)

describe('bootstrap', () => {
  let a: SkeinProcess
  let real: string
  let stranger: SkeinProcess
  const discoveries = (node: SkeinProcess, source: string, status: string) => metricOf(node, 'p2p_peer_discoveries_total', { source, status })

  beforeAll(async () => {
    const { address, network } = await listenConfig()
    real = address
    // Its tokens name an address where nobody listens: only bootstrap leads to it.
    a = await start({ config: { node: { id: 'a' }, network: { ...network, announce: [NOWHERE] }, mcp: NO_SERVERS } })
    stranger = await start({ config: { node: { id: 'stranger' }, mcp: NO_SERVERS } })
  })

  test('bogus addresses are failed attempts, never a success', async () => {
    const bogus = [
      `${NOWHERE}/p2p/${stranger.status().peer}`,
      NOWHERE,
      // Somebody answers, but it is not who was meant; or it is no member.
      `${real}/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA`,
      ...stranger.status().addresses.map((address) => address.replace(/\/p2p\/.*/, ''))
    ]
    // Reached through the environment, so that what network.bootstrap does stands alone.
    const b = await start({ token: await makeToken(a), env: { SKEIN_BOOTSTRAP: real }, config: { node: { id: 'b' }, network: { bootstrap: bogus, bootstrap_retries: 1 }, mcp: NO_SERVERS } })
    await isConnectedTo(b, a)
    await expect.poll(() => discoveries(b, 'ipfs_nodes', 'failure'), { timeout: 10_000 }).toBeGreaterThanOrEqual(bogus.length)
    expect(await discoveries(b, 'ipfs_nodes', 'success')).toBe(0)
    await dispose(b)
  })

  test('by file', async () => {
    const file = join(folder(), 'peers.txt')
    writeFileSync(file, `# seeds\n\n${NOWHERE}\n${real}\n`)
    const b = await start({ token: await makeToken(a), config: { node: { id: 'b' }, network: { bootstrap_file: file }, mcp: NO_SERVERS } })
    await isConnectedTo(b, a)
    expect(await discoveries(b, 'file_based', 'success')).toBeGreaterThanOrEqual(1)
    await dispose(b)
  })

  test('by the next method when one brings nobody, in the configured order', async () => {
    const network = { bootstrap: [`${NOWHERE}`], bootstrap_file: join(folder(), 'missing.txt'), bootstrap_methods: ['file_based', 'ipfs_nodes', 'environment'], bootstrap_retries: 1 }
    const b = await start({ token: await makeToken(a), env: { SKEIN_BOOTSTRAP: real }, config: { node: { id: 'b' }, network, mcp: NO_SERVERS } })
    await isConnectedTo(b, a)
    expect(await discoveries(b, 'file_based', 'failure')).toBeGreaterThanOrEqual(1)
    expect(await discoveries(b, 'ipfs_nodes', 'success')).toBe(0)
    expect(await discoveries(b, 'environment', 'success')).toBeGreaterThanOrEqual(1)
    const order = ['file_based failed', NOWHERE, real].map((text) => b.output().indexOf(text))
    expect(order.every((at) => at >= 0)).toBe(true)
    expect(order).toEqual(order.toSorted((one, other) => one - other))
    await dispose(b)
  })
})

describe('a start that nobody can let in gives up after half a minute and says why', () => {
  test('a token of another federation, over the wire', async () => {
    const { refusal } = await givingUp.overTheWire
    const message = expect.stringMatching(/the token is for federation "fed-z" .*the node that was asked belongs to "fed-y"/)
    expect(refusal).toMatchObject({ exit: REFUSED, code: 'SKEIN_TOKEN_FOREIGN', message })
  })

  test('a token whose issuer is down while another member answers', async () => {
    const { refusal, issuer } = await givingUp.withoutIssuer
    const message = expect.stringMatching(`the issuer ${issuer} .*could not be reached: start that node or try again when it is back`)
    expect(refusal).toMatchObject({ exit: REFUSED, code: 'SKEIN_ISSUER_UNREACHABLE', message })
  })
})
