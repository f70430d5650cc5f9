/**
 * Fails when an import goes the wrong way: a folder may import its own files and lower layers; domains never import each
 * other or an outside library, edges see node/api.ts and layers 0-1. The table is the picture in README.md.
 * `node scripts/check-layers.ts [folder with the sources]`
 */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const ROOT = resolve(process.argv[2] ?? join(import.meta.dirname, '../src'))
const LAYERS: Record<string, number> = {
  base: 0,
  wire: 1,
  membership: 2, federation: 2, rpc: 2, routing: 2, mcp: 2, workflow: 2, content: 2, security: 2,
  net: 3, store: 3, ipfs: 3, telemetry: 3, 'mcp-io': 3, guard: 3, config: 3,
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
  [/^cockatiel/, ['guard']],
  [/^commander/, ['cli']]
]
/** What edges may take from layer 4. */
const EDGE_PUBLIC = 'node/api.ts'

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return sources(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

/** `import … from`, `export … from`, bare `import`. */
const STATEMENT = /(?:^|[\n;])\s*(?:import|export)\s(?:[^'"`;]*?\bfrom\s*)?['"]([^'"]+)['"]/g
/** Calls that load a module by its literal name, and worker files. */
const CALL = /\b(?:import|require|getBuiltinModule|import\.meta\.resolve)\(\s*['"`]([^'"`]+)['"`]|\bnew URL\(\s*['"`](\.[^'"`]+)['"`]\s*,\s*import\.meta\.url/g
/** A name that is computed is one that nobody checked. */
const COMPUTED_CALL = /\b(?:import|require)\((?!\s*(['"])[^'"`]*\1\s*\))/
const LOOSE_EXPORT = /(?:^|[\n;])\s*export\s+(?:default\b|\*)/
const COMMENT_LINES = /^\s*(?:\/\/.*|\/?\*(?:(?!\*\/).)*(?:\*\/)?)/gm

function problemOf(file: string, target: string): string | undefined {
  const from = relative(ROOT, file)
  const folder = from.split('/')[0] as string
  // main.ts, run-node.ts and index.ts are the process entry, what it runs and the public API: they may see every folder.
  if (!from.includes('/')) return undefined
  const layer = LAYERS[folder]
  if (layer === undefined) return `folder ${folder} has no layer: add it to scripts/check-layers.ts`
  if (!target.startsWith('.')) return outsideProblem(folder, layer, target)
  const to = relative(ROOT, resolve(dirname(file), target))
  const toFolder = to.split('/')[0] as string
  if (toFolder === folder || to.startsWith('..')) return to.startsWith('..') && !to.endsWith('package.json') ? `${target} leaves src` : undefined
  const toLayer = LAYERS[toFolder]
  if (toLayer === undefined) return `${to} is in no layer`
  if (folder === 'packs') return toLayer === 0 ? undefined : `packs are programs of their own and see base/ only, not ${to}`
  if (layer === 5) return toLayer <= 1 || to === EDGE_PUBLIC ? undefined : `edges see ${EDGE_PUBLIC} and layers 0-1, not ${to}`
  if (toLayer >= layer) return layer === 2 && toLayer === 2 ? `domains never import each other (${to})` : `layer ${layer} imports layer ${toLayer} (${to})`
  return undefined
}

function outsideProblem(folder: string, layer: number, target: string): string | undefined {
  for (const [pattern, owners] of OWNERS) if (pattern.test(target) && !owners.includes(folder)) return `${target} belongs to ${owners.join(' and ')}`
  if (layer <= 2 && target.startsWith('node:') && !PURE_BUILTINS.has(target)) return `${target} touches the outside; layers 0-2 are pure`
  if (layer <= 2 && !target.startsWith('node:') && !(layer === 1 && WIRE_PACKAGES.has(target))) return `outside library ${target} in a pure layer`
  return undefined
}

/** Time and chance come from base/ or are injected. */
const GLOBALS = /\b(Date\.now|Math\.random|setTimeout|setInterval|setImmediate|performance\.now)\b|\bnew Date\(\)/

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
  const code = text.replaceAll(COMMENT_LINES, '')
  if (COMPUTED_CALL.test(code)) report('a computed import cannot be checked: write its name as a plain string')
  if (LOOSE_EXPORT.test(code)) report('named exports only: no `export *`, no default export')
  for (const match of [...code.matchAll(STATEMENT), ...code.matchAll(CALL)]) {
    const problem = problemOf(file, (match[1] ?? match[2]) as string)
    if (problem !== undefined) report(problem)
  }
  const layer = LAYERS[name.split('/')[0] as string]
  if ((layer === 1 || layer === 2) && GLOBALS.test(code)) report('time or chance taken from a global: inject Clock or Random')
  const lines = text.split('\n').length
  if (lines > 400) report(`${lines} lines: split it (the limit is 400)`)
}
console.log(`layers: ${files} files, ${problems} problems`)
process.exitCode = problems === 0 ? 0 : 1
