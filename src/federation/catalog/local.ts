import { createHash } from 'node:crypto'
import { isTooDeep } from '../../base/json-depth.ts'
import { ABOUT_LISTS } from '../../wire/about.ts'
import { canonicalJson } from '../../wire/canonical-json.ts'
import { isWireAddress, isWireName, MAX_ADDRESSES, MAX_CAPACITY, MAX_NAME, MAX_RECORD_BYTES, MAX_SERVERS, MAX_TOOLS } from '../../wire/catalog-record.ts'
import { MAX_DEFINITION_BYTES } from '../../wire/catalog.ts'
import type { About } from '../../wire/about.ts'
import type { ServerEntry, ToolEntry } from '../../wire/catalog-types.ts'
import { encodeCbor } from '../../wire/cbor.ts'
import { MAX_DEPTH } from './definitions.ts'
import type { Definition, Descriptor, LocalServer } from './ports.ts'

/** The record's room for servers: the rest is for addresses and names at their longest, and the envelope. */
const SERVERS_BUDGET = MAX_RECORD_BYTES - 16 * 1024
/** CBOR around one tool besides its name: array head, digest, flags, text head. */
const TOOL_OVERHEAD = 48
/** CBOR of a server's `about`: key, byte string head, digest. */
const ABOUT_OVERHEAD = 40

/** This node's servers in the forms the catalog needs. */
export interface LocalView {
  /** What this node offers to its own clients. */
  all: ServerEntry[]
  /** What the record says. */
  exposed: ServerEntry[]
  /** Names in `all` of which nothing is exposed. */
  hidden: Set<string>
  /** Of all local tools, and what servers say about themselves, by digest. */
  definitions: Map<string, Definition>
  /** Canonical JSON of what others may fetch, by digest. */
  served: Map<string, Uint8Array>
  /** Sentences: what others cannot see although it is exposed, and why. */
  problems: string[]
}

/** Digests the definitions and leaves out of the record what no other node would accept. */
export function buildLocal(servers: readonly LocalServer[]): LocalView {
  const view: LocalView = { all: [], exposed: [], hidden: new Set(), definitions: new Map(), served: new Map(), problems: [] }
  let budget = SERVERS_BUDGET
  for (const server of servers.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { timeout, capacity } = server
    const limits = { ...(timeout === undefined ? {} : { timeout }), ...(capacity === undefined ? {} : { capacity: Math.min(MAX_CAPACITY, capacity) }) }
    const head = { name: server.name, claimed: Math.max(0, Math.floor(server.claimed)), stateless: server.stateless, ...limits }
    const all: ToolEntry[] = []
    const exposed: ToolEntry[] = []
    const left: string[] = []
    const names = new Set<string>()
    const about = server.about === undefined ? undefined : fitAbout(server.about.document)
    if (about !== undefined) view.definitions.set(about.digest, about.document as unknown as Definition)
    budget -= encodeCbor({ ...head, tools: [] }).length + 8 + (about === undefined ? 0 : ABOUT_OVERHEAD)
    for (const { definition, repeatable, exposed: shown } of server.tools) {
      const name = String(definition.name)
      if (names.has(name)) continue
      names.add(name)
      const { json, digest, deep } = hashed(definition)
      const tool: ToolEntry = { name, digest, repeatable }
      all.push(tool)
      view.definitions.set(tool.digest, definition)
      if (!shown) continue
      const size = Buffer.byteLength(name) + TOOL_OVERHEAD
      if (!isWireName(name) || json.length > MAX_DEFINITION_BYTES || deep || exposed.length >= MAX_TOOLS || size > budget) {
        left.push(name)
        continue
      }
      budget -= size
      exposed.push(tool)
      view.served.set(tool.digest, json)
    }
    const digest = about === undefined ? {} : { about: about.digest }
    view.all.push({ ...head, ...digest, tools: all })
    const told = about !== undefined && server.about?.exposed === true
    const wanted = told || server.tools.some((tool) => tool.exposed)
    if (wanted && isWireName(server.name) && view.exposed.length < MAX_SERVERS && budget >= 0) {
      view.exposed.push({ ...head, ...(told ? digest : {}), tools: exposed })
      if (told) view.served.set(about.digest, about.json)
      if (told && about.dropped.length > 0) view.problems.push(`server ${JSON.stringify(server.name)} says more about itself than the ${MAX_DEFINITION_BYTES / 1024} KiB that are shared: its ${about.dropped.join(', ')} are listed in /mcp/${server.name} only`)
    } else view.hidden.add(server.name)
    if (wanted && view.hidden.has(server.name)) view.problems.push(notExposed(server.name, budget < 0))
    else if (left.length > 0) view.problems.push(tooMuch(server.name, left))
  }
  return view
}

interface Hashed {
  json: Uint8Array
  digest: string
  /** Nested deeper than other nodes take. */
  deep: boolean
}
interface FittedAbout extends Hashed {
  document: About
  /** Lists that were left out here. */
  dropped: string[]
}

/** Describing a node again is frequent, changes are rare: nothing is hashed twice. */
const hashes = new WeakMap<object, Hashed>()
const fitted = new WeakMap<About, FittedAbout>()

function hashed(value: object): Hashed {
  const known = hashes.get(value)
  if (known !== undefined) return known
  const text = canonicalJson(value)
  const json = new Uint8Array(Buffer.from(text))
  const made = { json, digest: createHash('sha256').update(json).digest('hex'), deep: isTooDeep(text, MAX_DEPTH) }
  hashes.set(value, made)
  return made
}

/** The document within the limit of a definition: lists go one after the other until it is, and `partial` names them. */
function fitAbout(document: About): FittedAbout {
  const known = fitted.get(document)
  if (known !== undefined) return known
  const dropped: string[] = []
  let fitting = document
  let made = hashed(document)
  for (const list of ABOUT_LISTS) {
    if (made.json.length <= MAX_DEFINITION_BYTES) break
    if (fitting[list].length === 0) continue
    dropped.push(list)
    fitting = { ...fitting, [list]: [], partial: [...(document.partial ?? []), ...dropped] }
    made = hashed(fitting)
  }
  if (made.json.length > MAX_DEFINITION_BYTES) {
    // Instructions or capabilities of that size are no use to anybody.
    fitting = { capabilities: {}, serverInfo: {}, prompts: [], resources: [], resourceTemplates: [], partial: [...ABOUT_LISTS] }
    made = hashed(fitting)
  }
  const result = { ...made, document: fitting, dropped }
  fitted.set(document, result)
  return result
}

function notExposed(server: string, full: boolean): string {
  const head = `server ${JSON.stringify(server)} stays on this node: `
  if (full) return `${head}the servers before it in the alphabet use up what a node can tell others, about 10 000 tools; deny some under mcp.servers.<name>.expose, or attach it at another node`
  return `${head}a node exposes at most ${MAX_SERVERS} servers, with names of 1 to ${MAX_NAME} plain characters`
}

function tooMuch(server: string, tools: readonly string[]): string {
  const some = tools.slice(0, 5).map((tool) => JSON.stringify(tool.slice(0, 64))).join(', ')
  return (
    `${tools.length} tools of server ${JSON.stringify(server)} stay on this node (${some}): a tool needs a name of 1 to 128 plain characters and a definition of at most ` +
    `${MAX_DEFINITION_BYTES / 1024} KiB and ${MAX_DEPTH} levels, a server at most ${MAX_TOOLS} tools, a node about as many; deny some under mcp.servers.${server}.expose`
  )
}

/** Cuts what the record's limits do not allow, so that no other node refuses the record for it. */
export function cleanDescriptor(descriptor: Descriptor): Descriptor {
  const plain = (text: string, otherwise: string) => {
    if (isWireName(text)) return text
    const kept = [...text.toWellFormed()].filter((char) => isWireName(char)).join('').slice(0, MAX_NAME).toWellFormed()
    return kept === '' ? otherwise : kept
  }
  return {
    ...descriptor,
    name: plain(descriptor.name, 'node'),
    region: plain(descriptor.region, ''),
    addresses: descriptor.addresses.filter(isWireAddress).slice(0, MAX_ADDRESSES)
  }
}
