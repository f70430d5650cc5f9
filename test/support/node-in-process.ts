import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { silentLogger } from '../../src/base/logger.ts'
import { createMeter, type MemoryMeter } from '../../src/base/meter.ts'
import { loadConfig } from '../../src/config/load.ts'
import { createNode, type SkeinNode } from '../../src/node/create-node.ts'

/**
 * A whole node without its edges, in this process.
 * @param folder its data directory, which is kept when it stops. @default a new one, which is removed
 * @param listen none: the node can only dial, also without circuit relay, so that two such nodes reach each other over a third alone
 */
export async function startNodeHere(id: string, mcp: Record<string, unknown>, token?: string, listen: readonly string[] = ['/ip4/127.0.0.1/tcp/0'], more: Record<string, unknown> = {}, folder?: string): Promise<SkeinNode & { meter: MemoryMeter }> {
  const dataDir = folder ?? mkdtempSync(join(tmpdir(), 'skein-here-'))
  const file = join(dataDir, 'node.yaml')
  writeFileSync(file, stringify({ network: { listen: [...listen], ...(listen.length === 0 ? { relay: { use: 'off' } } : {}) }, mcp: { graph: { enabled: false }, ...mcp }, ...more, node: { ...(more['node'] as object | undefined), id, data_dir: dataDir } }), { mode: 0o600 })
  const { config } = loadConfig({ file, env: {}, cwd: dataDir })
  const meter = createMeter()
  const node = await createNode({ logger: silentLogger, meter }, { config, version: '0.0.0', token, listenMovable: false, reload: async () => ({ config, needsRestart: [] }) })
  return {
    ...node,
    meter,
    async stop() {
      await node.stop()
      if (folder === undefined) rmSync(dataDir, { recursive: true, force: true })
    }
  }
}
