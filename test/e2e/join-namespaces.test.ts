import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { echoServer, isConnectedTo, sees } from '../support/federation-checks.ts'
import { runSkein, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'

/** Linux names interfaces with at most 15 characters; the process id keeps parallel runs apart. */
const TAG = String(process.pid % 100_000)
/** A network of this run alone, or as good as: two runs at once would need the same last digits. */
const SUBNET = `10.77.${process.pid % 250}`
const SIDES = ['a', 'b'].map((side, index) => ({ ns: `skein-${TAG}${side}`, link: `sk${TAG}${side}`, address: `${SUBNET}.${index + 1}` })) as [Side, Side]

interface Side {
  ns: string
  link: string
  address: string
}

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString()

/** Tries what the test needs rather than guessing from the user id: a container's root may not be allowed to. */
function missing(): string | undefined {
  const probe = `skein-${TAG}p`
  try {
    ip('netns', 'add', probe)
    ip('netns', 'exec', probe, 'ip', 'link', 'set', 'lo', 'up')
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  } finally {
    removeNamespace(probe)
  }
}

function removeNamespace(ns: string): void {
  try {
    ip('netns', 'del', ns)
  } catch {
    // It was never made.
  }
}

const why = missing()
if (why !== undefined) console.warn(`SKIPPED: joining over veth needs root and network namespaces (${why})`)

describe.skipIf(why !== undefined)('two machines: network namespaces joined by a cable', () => {
  const [left, right] = SIDES
  const folders: string[] = []
  const nodes: SkeinProcess[] = []
  const inside = (side: Side) => ['ip', 'netns', 'exec', side.ns]

  beforeAll(() => {
    for (const { ns } of SIDES) ip('netns', 'add', ns)
    ip('link', 'add', left.link, 'netns', left.ns, 'type', 'veth', 'peer', 'name', right.link, 'netns', right.ns)
    for (const { ns, link, address } of SIDES) {
      ip('-n', ns, 'link', 'set', 'lo', 'up')
      ip('-n', ns, 'addr', 'add', `${address}/24`, 'dev', link)
      ip('-n', ns, 'link', 'set', link, 'up')
    }
  })
  afterAll(async () => {
    await Promise.allSettled(nodes.map((node) => node.dispose()))
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    // The cable goes with its ends.
    for (const { ns } of SIDES) removeNamespace(ns)
  })

  /** Everything by default, ports and listening on all interfaces too: the namespace is ours. */
  async function startInside(side: Side, server: string, dataDir: string): Promise<SkeinProcess> {
    const file = join(dataDir, 'servers.yaml')
    writeFileSync(file, stringify({ mcp: echoServer(server) }), { mode: 0o600 })
    const node = await startSkein({ bare: true, human: true, dataDir, prefix: inside(side), args: ['--config', file] })
    nodes.push(node)
    return node
  }

  function folder(): string {
    const made = tempDataDir()
    folders.push(made)
    return made
  }

  test('join from the printed command alone, where loopback addresses lead nowhere', async () => {
    const a = await startInside(left, 'alpha', folder())
    expect(a.status().addresses.every((address) => address.startsWith(`/ip4/${left.address}/`) || address.startsWith('/ip6/')), a.output()).toBe(true)
    const [, command] = /join with\s+npx skein (join \S+)\n/.exec(a.output()) ?? []
    expect(command, a.output()).toBeDefined()

    const dataDir = folder()
    const joined = await runSkein([...(command as string).split(' '), '--data-dir', dataDir], { prefix: inside(right) })
    expect(joined, joined.stderr).toMatchObject({ code: 0, stderr: '' })
    const began = performance.now()
    const b = await startInside(right, 'beta', dataDir)
    await Promise.all([sees(a, 'alpha', 'beta'), sees(b, 'alpha', 'beta')])
    const took = performance.now() - began
    console.log(`both list each other's tools ${Math.round(took)} ms after skein start in the other namespace`)
    expect(took).toBeLessThan(15_000)

    for (const [node, side, tool] of [[a, left, 'beta__echo'], [b, right, 'alpha__echo']] as const) {
      const call = await runSkein(['call', tool, '{"text":"over the cable"}', '--data-dir', node.dataDir], { prefix: inside(side) })
      expect(call.stdout, call.stderr).toContain('over the cable')
    }
    for (const [node, other] of [[a, right], [b, left]] as const) {
      const peers = await node.peers()
      expect(peers.filter((peer) => peer.state === 'connected').flatMap((peer) => peer.addresses).every((address) => address.startsWith(`/ip4/${other.address}/`))).toBe(true)
    }

    // And again after a restart, from what it remembers.
    await b.kill('SIGKILL')
    rmSync(join(dataDir, 'join.token'))
    const again = await startInside(right, 'beta', dataDir)
    await Promise.all([isConnectedTo(again, a), isConnectedTo(a, again), sees(a, 'alpha', 'beta')])
  }, 90_000)
})
