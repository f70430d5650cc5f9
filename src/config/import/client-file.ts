import { isObject } from '../../base/is-object.ts'

/** One server as a client wrote it. */
export interface WrittenServer {
  name: string
  entry: unknown
}

/**
 * The servers in a client's file: `mcpServers`, or `servers` as VS Code writes it (also under `mcp`, as in its settings), and what
 * Claude Code keeps for the project in `cwd`. Comments and commas before a closing bracket are tolerated.
 * Throws a plain sentence without the path.
 */
export function readClientFile(text: string, cwd: string): WrittenServer[] {
  const root = parse(text)
  if (!isObject(root)) throw new Error('is no MCP configuration: it has no object at its top')
  const mcp = isObject(root['mcp']) ? root['mcp'] : {}
  const projects = isObject(root['projects']) ? root['projects'] : {}
  const project = Object.hasOwn(projects, cwd) && isObject(projects[cwd]) ? projects[cwd] : {}
  const maps = [root['mcpServers'], root['servers'], mcp['servers'], mcp['mcpServers'], project['mcpServers']].filter((map) => map !== undefined)
  if (maps.length === 0) throw new Error('has no servers: there is neither "mcpServers" nor "servers" in it')
  return maps.flatMap((map) => {
    if (!isObject(map)) throw new Error('has servers that are not an object by name')
    return Object.entries(map).map(([name, entry]) => ({ name, entry }))
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(plainJson(text.replace(/^\uFEFF/, ' ')))
  } catch (error) {
    // The parser's own words may quote a secret that stands near.
    const place = /line (\d+) column (\d+)/.exec((error as Error).message)
    const where = place === null ? '' : `: look at line ${place[1]}, column ${place[2]}`
    throw new Error(`is not valid JSON${(error as Error).message.includes('end of JSON') ? ': it ends too early' : where}`, { cause: error })
  }
}

/** JSON without comments and without commas before `}` and `]`; every other character stays where it is. */
export function plainJson(text: string): string {
  const parts: string[] = []
  let copied = 0
  /** Where the last comma stands, if nothing but white space and comments came since. */
  let comma = -1
  const blank = (from: number, to: number) => {
    parts.push(text.slice(copied, from), text.slice(from, to).replaceAll(/[^\n]/g, ' '))
    copied = to
  }
  let at = 0
  while (at < text.length) {
    const char = text[at] as string
    const end = char === '"' ? stringEnd(text, at) : char === '/' ? commentEnd(text, at) : at + 1
    if (char === '/' && end > at + 1) {
      blank(at, end)
    } else if (char === ',') {
      comma = parts.length
      // A part of its own, so that it can be taken back.
      parts.push(text.slice(copied, at), ',')
      copied = end
    } else if (char.trim() !== '') {
      if ((char === '}' || char === ']') && comma >= 0) parts[comma + 1] = ' '
      comma = -1
    }
    at = end
  }
  return parts.join('') + text.slice(copied)
}

/** After the closing quote; a string that is not closed ends with its line, and the parser complains. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '"') return at + 1
    else if (text[at] === '\n') return at
  }
  return text.length
}

function commentEnd(text: string, start: number): number {
  if (text[start + 1] !== '/' && text[start + 1] !== '*') return start + 1
  const isLine = text[start + 1] === '/'
  const end = text.indexOf(isLine ? '\n' : '*/', start + 2)
  return end < 0 ? text.length : isLine ? end : end + 2
}
