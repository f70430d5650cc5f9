import { describe, expect, test, type TestContext } from 'vitest'
import { echoServer, sees } from '../support/federation-checks.ts'
import { createNatWorld, natMissing } from '../support/nat-world.ts'
import { inside } from '../support/namespaces.ts'
import { makeToken, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const TAG = `nat${process.pid}`
const why = natMissing(TAG)
if (why !== undefined) console.warn(`SKIPPED: members behind NAT need root, network namespaces and nftables (${why})`)

// Each has a little Internet of its own, and mostly waits: side by side.
describe.skipIf(why !== undefined).concurrent('members behind two NATs and one with a public address', () => {
  /** The way that one node has to another: the addresses of its connections with it; of peers without one, addresses are only what they tell. */
  async function ways(node: SkeinProcess, other: SkeinProcess): Promise<string[]> {
    return (await node.peers()).filter(({ peer, state }) => peer === other.status().peer && state === 'connected').flatMap(({ addresses }) => addresses)
  }

  async function federation({ onTestFinished }: TestContext, nat: 'keeping' | 'symmetric'): Promise<[SkeinProcess, SkeinProcess, SkeinProcess]> {
    const world = createNatWorld(`${TAG}${nat[0]}`)
    const nodes: SkeinProcess[] = []
    onTestFinished(async () => {
      await Promise.allSettled(nodes.map((node) => node.dispose()))
      world.remove()
    })
    async function start(namespace: string, id: string, token?: string): Promise<SkeinProcess> {
      const node = await startSkein({
        prefix: inside(namespace),
        config: {
          node: { id },
          network: { listen: ['/ip4/0.0.0.0/tcp/4001'] },
          monitoring: { log_level: 'debug', metrics_host: '127.0.0.1' },
          mcp: echoServer(id)
        },
        ...(token === undefined ? {} : { token })
      })
      nodes.push(node)
      return node
    }
    const [open, one, other] = [world.open(), world.behind(nat), world.behind(nat)] as const
    const a = await start(open.namespace, 'alpha')
    expect(a.status().addresses.map((address) => address.replace(/\/p2p\/.*/, ''))).toEqual([`/ip4/${open.address}/tcp/4001`])
    const token = await makeToken(a, { uses: 2 })
    const b = await start(one.namespace, 'beta', token)
    const c = await start(other.namespace, 'gamma', token)
    return [a, b, c]
  }

  async function allSeeAndCallEachOther(all: readonly SkeinProcess[]): Promise<void> {
    await Promise.all(all.map((node) => sees(node, 'alpha', 'beta', 'gamma')))
    for (const node of all) {
      for (const server of ['alpha', 'beta', 'gamma']) {
        const { stdout, stderr } = await node.cli('call', `${server}__echo`, JSON.stringify({ text: `hello ${server}` }))
        expect(stdout, stderr).toContain(`hello ${server}`)
      }
    }
  }

  /** b and c have a connection through a relay or without one; which, after what libraries and routers did. */
  async function connection(b: SkeinProcess, c: SkeinProcess): Promise<'direct' | 'relayed'> {
    const addresses = await ways(b, c)
    return addresses.some((address) => !address.includes('/p2p-circuit')) ? 'direct' : 'relayed'
  }

  test('behind symmetric NATs they stay relayed, and all see and call each other', async (context) => {
    const [a, b, c] = await federation(context, 'symmetric')
    await waitUntil('the hidden ones have a connection', async () => (await ways(b, c)).length > 0 && (await ways(c, b)).length > 0, { timeout: 40_000, every: 100 })
    await allSeeAndCallEachOther([a, b, c])
    expect(await connection(b, c)).toBe('relayed')
    console.log('symmetric NATs: alpha-beta direct, alpha-gamma direct, beta-gamma relayed')
  }, 120_000)

  test('NATs that keep port numbers let the two punch through', async (context) => {
    const [a, b, c] = await federation(context, 'keeping')
    await waitUntil('the hidden ones have a connection', async () => (await ways(b, c)).length > 0, { timeout: 40_000, every: 100 })
    await allSeeAndCallEachOther([a, b, c])
    await waitUntil('it is direct', async () => (await connection(b, c)) === 'direct', { timeout: 60_000, every: 100 }).catch(() => {})
    const how = await connection(b, c)
    console.log(`NATs that keep ports: alpha-beta direct, alpha-gamma direct, beta-gamma ${how}`)
    expect(how).toBe('direct')
    await allSeeAndCallEachOther([a, b, c])
  }, 150_000)
})
