import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const CHECKER = join(import.meta.dirname, '../../../scripts/check-layers.ts')
const dir = mkdtempSync(join(tmpdir(), 'skein-layers-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Runs the checker on a tree of sources. */
function check(tree: Record<string, string>): { status: number | null; lines: string[] } {
  const root = mkdtempSync(join(dir, 'src-'))
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const { status, stderr } = spawnSync(process.execPath, [CHECKER, root], { encoding: 'utf8' })
  return { status, lines: stderr.trim().split('\n') }
}

const GOOD = {
  'base/clock.ts': 'export const now = () => Date.now()\n',
  'wire/frames.ts': "import { encode } from 'cborg'\nimport { now } from '../base/clock.ts'\nexport const frame = () => encode(now())\n",
  'rpc/session.ts': "import { createHash } from 'node:crypto'\nimport type { X } from '../wire/frames.ts'\nimport { y } from './other.ts'\n// import { a } from '../net/host.ts'\n/** import { a } from '../net/host.ts' */\nexport const s = createHash\n",
  'net/host.ts': "import { createLibp2p } from 'libp2p'\nimport type { ByteStream } from '../rpc/session.ts'\nexport const h = createLibp2p\n",
  'node/create-node.ts': "import { h } from '../net/host.ts'\nimport { s } from '../rpc/session.ts'\nexport const n = [h, s]\n",
  'node/api.ts': 'export interface NodeApi { a: 1 }\n',
  'http/server.ts': "import { createServer } from 'node:http'\nimport type { NodeApi } from '../node/api.ts'\nexport const a = createServer as unknown as NodeApi\n",
  'packs/graph/main.ts': "import { now } from '../../base/clock.ts'\nexport const g = new URL('./worker.ts', import.meta.url)\n",
  'main.ts': "import { n } from './node/create-node.ts'\nexport const m = n\n"
}

describe('check-layers', () => {
  test('a tree that keeps the rules passes', () => {
    expect(check(GOOD)).toEqual({ status: 0, lines: [''] })
  })

  test.each([
    ['base sees nothing of ours', 'base/bad.ts', "import { frame } from '../wire/frames.ts'", 'layer 0 imports layer 1'],
    ['wire does not see domains', 'wire/bad.ts', "import { s } from '../rpc/session.ts'", 'layer 1 imports layer 2'],
    ['domains never import each other', 'mcp/bad.ts', "import { s } from '../rpc/session.ts'", 'domains never import each other'],
    ['not even their types', 'mcp/bad.ts', "import type { S } from '../rpc/session.ts'", 'domains never import each other'],
    ['nor over several lines', 'mcp/bad.ts', "import {\n  s,\n  t\n} from '../rpc/session.ts'", 'domains never import each other'],
    ['nor in a type', 'mcp/bad.ts', "export type S = import('../rpc/session.ts').S", 'domains never import each other'],
    ['nor by export', 'mcp/bad.ts', "export { s } from '../rpc/session.ts'", 'domains never import each other'],
    ['nor by a bare import', 'mcp/bad.ts', "import '../rpc/session.ts'", 'domains never import each other'],
    ['nor after a comment on the same line', 'mcp/bad.ts', "/* why */ import { s } from '../rpc/session.ts'", 'domains never import each other'],
    ['domains do not see adapters', 'rpc/bad.ts', "import { h } from '../net/host.ts'", 'layer 2 imports layer 3'],
    ['nor at run time', 'rpc/bad.ts', "export const h = await import('../net/host.ts')", 'layer 2 imports layer 3'],
    ['adapters do not see each other', 'store/bad.ts', "import { h } from '../net/host.ts'", 'layer 3 imports layer 3'],
    ['adapters do not see the composition root', 'net/bad.ts', "import { n } from '../node/create-node.ts'", 'layer 3 imports layer 4'],
    ['the composition root does not see edges', 'node/bad.ts', "import { a } from '../http/server.ts'", 'layer 4 imports layer 5'],
    ['edges see the public surface of layer 4 alone', 'http/bad.ts', "import { n } from '../node/create-node.ts'", 'edges see node/api.ts'],
    ['edges do not see domains', 'http/bad.ts', "import { s } from '../rpc/session.ts'", 'edges see node/api.ts'],
    ['edges do not see each other', 'cli/bad.ts', "import { a } from '../http/server.ts'", 'edges see node/api.ts'],
    ['packs see base alone', 'packs/bad.ts', "import { frame } from '../wire/frames.ts'", 'base/ only'],
    ['a worker file counts', 'packs/bad.ts', "export const w = new URL('../net/worker.ts', import.meta.url)", 'base/ only'],
    ['nobody imports the entry', 'http/bad.ts', "import { m } from '../main.ts'", 'is in no layer'],
    ['nobody leaves src', 'net/bad.ts', "import x from '../../test/x.ts'", 'leaves src'],
    ['a new folder needs a layer', 'utils/bad.ts', "import { now } from '../base/clock.ts'", 'has no layer'],
    ['libp2p belongs to net', 'node/bad.ts', "import { tcp } from '@libp2p/tcp'", 'belongs to net'],
    ['sqlite belongs to store', 'telemetry/bad.ts', "import { DatabaseSync } from 'node:sqlite'", 'belongs to store'],
    ['cockatiel belongs to guard', 'node/bad.ts', "import { bulkhead } from 'cockatiel'", 'belongs to guard'],
    ['also when asked for in another way', 'telemetry/bad.ts', "export const s = process.getBuiltinModule('node:sqlite')", 'belongs to store'],
    ['domains take no outside library', 'mcp/bad.ts', "import { z } from 'zod'", 'outside library zod'],
    ['domains take no node module that touches the outside', 'rpc/bad.ts', "import { request } from 'node:http'", 'layers 0-2 are pure'],
    ['domains take no time from globals', 'rpc/bad.ts', 'export const t = () => Date.now()', 'inject Clock or Random'],
    ['nor hand it on by name', 'rpc/bad.ts', 'export const t = { now: Date.now }', 'inject Clock or Random'],
    ['nor chance', 'rpc/bad.ts', 'export const t = Math.random()', 'inject Clock or Random'],
    ['a computed import is refused', 'node/bad.ts', 'export const load = (name: string) => import(`../net/${name}.ts`)', 'cannot be checked'],
    ['exports are named', 'net/bad.ts', 'export default 1', 'named exports only'],
    ['exports are listed', 'net/bad.ts', "export * from './host.ts'", 'named exports only'],
    ['files stay short', 'net/bad.ts', 'export const x = 1\n'.repeat(401), 'the limit is 400']
  ])('%s', (_rule, path, text, problem) => {
    const { status, lines } = check({ ...GOOD, [path]: `${text}\n` })
    expect(status).toBe(1)
    expect(lines.filter((line) => line.startsWith(`src/${path}: `) && line.includes(problem))).toHaveLength(1)
    expect(lines.every((line) => line.startsWith(`src/${path}: `))).toBe(true)
  })
})
