/**
 * Fails when an import goes the wrong way: a folder may import its own files, lower layers, and, for adapters, the ports of
 * the domains they implement; domains never import each other or an outside library. The table is the picture in README.md.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../src')
const LAYERS: Record<string, number> = {
  base: 0,
  wire: 1,
  membership: 2, federation: 2, rpc: 2, routing: 2, mcp: 2, workflow: 2, content: 2, security: 2,
  net: 3, store: 3, ipfs: 3, telemetry: 3, 'mcp-io': 3, config: 3,
  node: 4,
  http: 5, cli: 5, packs: 5, console: 5
}
/** What pure code may take from Node: bytes and cryptography, nothing that touches the outside. */
const PURE_BUILTINS = new Set(['node:crypto', 'node:buffer'])
/** Pure codecs. */
const WIRE_PACKAGES = new Set(['cborg', '@multiformats/multiaddr'])
/** Libraries that only one folder may import. */
const OWNERS: [RegExp, string[]][] = [
  [/^(libp2p|@libp2p\/(?!prometheus-metrics)|@chainsafe\/)/, ['net']],
  [/^(node:sqlite|datastore-core)/, ['store']],
  [/^(prom-client|pino|@libp2p\/prometheus-metrics)/, ['telemetry']],
  [/^@modelcontextprotocol\//, ['mcp-io', 'packs']],
  [/^fastify/, ['http']],
  [/^commander/, ['cli']]
]
/** Edges that may be used by another edge: the command line starts the HTTP side's stdio bridge through node's public surface only. */
const EDGE_PUBLIC = /^node\/(api|index)\.ts$/

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return sources(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

const IMPORT = /(?:^|\n)\s*(import|export)\s+(type\s+)?[^'"]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g

function problemOf(file: string, target: string): string | undefined {
  const from = relative(ROOT, file)
  const folder = from.split('/')[0] as string
  // main.ts and index.ts are the process entry and the public API: they may see every folder.
  if (!from.includes('/')) return undefined
  const layer = LAYERS[folder]
  if (layer === undefined) return `folder ${folder} has no layer: add it to scripts/check-layers.ts`
  if (!target.startsWith('.')) return outsideProblem(folder, layer, target)
  const to = relative(ROOT, resolve(dirname(file), target))
  const toFolder = to.split('/')[0] as string
  if (toFolder === folder || to.startsWith('..')) return to.startsWith('..') && !to.endsWith('package.json') ? `${target} leaves src` : undefined
  const toLayer = LAYERS[toFolder]
  if (toLayer === undefined) return `${to} is in no layer`
  if (layer === 5) return toLayer <= 1 || EDGE_PUBLIC.test(to) || edgeException(folder, to) ? undefined : `edges see node/api.ts and layers 0-1, not ${to}`
  if (toLayer >= layer) return layer === 2 && toLayer === 2 ? `domains never import each other (${to})` : `layer ${layer} imports layer ${toLayer} (${to})`
  return undefined
}

/** http/ drives the downstream MCP machine; the command line reads configuration and telemetry before any node exists. */
function edgeException(folder: string, to: string): boolean {
  if (folder === 'http') return to.startsWith('mcp/')
  if (folder === 'cli') return to.startsWith('config/')
  return false
}

function outsideProblem(folder: string, layer: number, target: string): string | undefined {
  for (const [pattern, owners] of OWNERS) if (pattern.test(target) && !owners.includes(folder)) return `${target} belongs to ${owners.join(' and ')}`
  if (layer <= 2 && target.startsWith('node:') && !PURE_BUILTINS.has(target)) return `${target} touches the outside; layers 0-2 are pure`
  if (layer <= 2 && !target.startsWith('node:') && !(layer === 1 && WIRE_PACKAGES.has(target))) return `outside library ${target} in a pure layer`
  return undefined
}

/** Time and chance come from base/ or are injected. */
const GLOBALS = /\b(Date\.now|Math\.random|setTimeout|setInterval|performance\.now)\(/

let problems = 0
let files = 0
for (const file of sources(ROOT)) {
  files++
  const text = readFileSync(file, 'utf8')
  const name = relative(ROOT, file)
  const report = (problem: string) => {
    problems++
    console.error(`src/${name}: ${problem}`)
  }
  for (const match of text.matchAll(IMPORT)) {
    const target = match[3] ?? match[4] ?? match[5]
    const problem = target === undefined ? undefined : problemOf(file, target)
    if (problem !== undefined) report(problem)
  }
  const layer = LAYERS[name.split('/')[0] as string]
  if ((layer === 1 || layer === 2) && GLOBALS.test(text.replaceAll(/^\s*(\*|\/\/).*$/gm, ''))) report('time or chance taken from a global: inject Clock or Random')
  const lines = text.split('\n').length
  if (lines > 400) report(`${lines} lines: split it (the limit is 400)`)
}
console.log(`layers: ${files} files, ${problems} problems`)
process.exitCode = problems === 0 ? 0 : 1
