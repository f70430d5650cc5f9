import { isObject } from '../base/is-object.ts'
import type { About } from '../wire/about.ts'
import type { Json } from '../wire/json-rpc.ts'
import { isShown } from './view-tools.ts'
import type { OfferedServer, WideView } from './view-types.ts'

/** Whole texts of servers up to this many characters together: a client puts them before every conversation. */
const MAX_INSTRUCTIONS = 16_384
/** Of one server, in views of many: a URI that is not listed is tried against each, and real servers have a few. */
const MAX_TEMPLATES = 100
/** Names shown in one notice. */
const MAX_SHOWN = 3

type Claims = ReadonlyMap<string, readonly string[]>

export interface AboutLists {
  prompts: Json[]
  resources: Json[]
  resourceTemplates: Json[]
  /** Prompt name -> its one server. */
  promptServers: Map<string, string>
  /** URI -> all servers that list it. */
  resourceClaims: Claims
  /** URI template -> all servers that list it. */
  templateClaims: Claims
  notices: string[]
}

/** Prompts and resources of all servers of a view. What two servers claim is left out for both: nobody's depends on who came first. */
export function joinAbouts(servers: readonly OfferedServer<unknown>[], view: Pick<WideView, 'allow' | 'deny'>): AboutLists {
  const prompts = join(servers, 'prompts', 'name', (name) => isShown(view, name))
  const resources = join(servers, 'resources', 'uri', () => true)
  const templates = join(servers, 'resourceTemplates', 'uriTemplate', () => true)
  const tooMany = servers.flatMap(({ server, about }) =>
    (about?.resourceTemplates.length ?? 0) <= MAX_TEMPLATES ? [] : [`The server "${server}" has more than ${MAX_TEMPLATES} resource templates: /mcp shows the first ones, use /mcp/${server} for all.`]
  )
  const partial = servers.flatMap(({ server, about }) =>
    (about?.partial ?? []).map((list) => `The server "${server}" has too many ${WORDS[list as keyof typeof WORDS] ?? list} for /mcp: use /mcp/${server} for them.`)
  )
  return {
    prompts: prompts.items,
    resources: resources.items,
    resourceTemplates: templates.items,
    promptServers: new Map([...prompts.claims].flatMap(([name, servers]) => (servers.length === 1 ? [[name, servers[0] as string]] : []))),
    resourceClaims: resources.claims,
    templateClaims: templates.claims,
    notices: [...prompts.notices, ...resources.notices, ...templates.notices, ...tooMany, ...partial]
  }
}

const WORDS = { prompts: 'prompts', resources: 'resources', resourceTemplates: 'resource templates' }

type ListName = keyof typeof WORDS

interface Joined {
  /** Of one server only, sorted. */
  items: Json[]
  claims: Claims
  notices: string[]
}

function join(servers: readonly OfferedServer<unknown>[], list: ListName, key: string, wanted: (id: string) => boolean): Joined {
  const items = new Map<string, Json>()
  const claims = new Map<string, string[]>()
  for (const { server, about } of servers) {
    const own = about?.[list] ?? []
    for (const item of list === 'resourceTemplates' ? own.slice(0, MAX_TEMPLATES) : own) {
      const id = item[key]
      if (typeof id !== 'string' || !wanted(id)) continue
      const known = claims.get(id)
      if (known === undefined) {
        claims.set(id, [server])
        items.set(id, item)
      } else if (!known.includes(server)) {
        known.push(server)
        items.delete(id)
      }
    }
  }
  // By code units, so that every node agrees.
  return { items: [...items.keys()].sort().map((id) => items.get(id) as Json), claims, notices: claimNotices(list, claims) }
}

/** One sentence for each group of servers, however much they share. */
function claimNotices(list: ListName, claims: Claims): string[] {
  const groups = new Map<string, { servers: readonly string[]; ids: string[] }>()
  for (const [id, servers] of claims) {
    if (servers.length === 1) continue
    const group = groups.get(servers.join(' '))
    if (group === undefined) groups.set(servers.join(' '), { servers, ids: [id] })
    else group.ids.push(id)
  }
  return [...groups.values()].map(({ servers, ids }) => {
    const more = ids.length > MAX_SHOWN ? ` and ${ids.length - MAX_SHOWN} more` : ''
    const names = ids.sort().slice(0, MAX_SHOWN).map((id) => `"${id.slice(0, 200)}"`)
    const where = servers.map((server) => `/mcp/${server}`)
    return `The servers ${servers.join(', ')} have the same ${WORDS[list]} ${names.join(', ')}${more}: ask for them at ${where.join(' or ')}, they are left out where both are shown.`
  })
}

/** What servers behind a view can do; lists announce their changes because skein watches them. */
export function viewCapabilities(abouts: readonly About[], hasTools: boolean): Json {
  const has = (name: string) => abouts.some(({ capabilities }) => isObject(capabilities[name]))
  const subscribes = abouts.some(({ capabilities }) => isObject(capabilities.resources) && capabilities.resources.subscribe === true)
  return {
    ...(hasTools || has('tools') ? { tools: { listChanged: true } } : {}),
    ...(has('prompts') ? { prompts: { listChanged: true } } : {}),
    ...(has('resources') ? { resources: { listChanged: true, ...(subscribes ? { subscribe: true } : {}) } } : {}),
    ...(has('completions') ? { completions: {} } : {}),
    ...(has('logging') ? { logging: {} } : {})
  }
}

/** The instructions of all servers, each under its name; those that would be too much are left out whole. */
export function joinInstructions(servers: readonly OfferedServer<unknown>[]): string | undefined {
  const texts: string[] = []
  let chars = 0
  for (const { server, about } of servers) {
    const text = about?.instructions?.trim() ?? ''
    if (text === '' || chars + text.length > MAX_INSTRUCTIONS) continue
    chars += text.length
    texts.push(`# Server "${server}" (its tools are named ${server}__...)\n\n${text}`)
  }
  return texts.length === 0 ? undefined : texts.join('\n\n')
}
