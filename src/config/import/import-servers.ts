import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { SkeinError, errorMessage } from '../../base/errors.ts'
import { isObject } from '../../base/is-object.ts'
import { checkValues } from '../check.ts'
import { expandHome, nonEmpty } from '../paths.ts'
import { configError } from '../problems.ts'
import { dotted } from '../tree.ts'
import { readBounded, readYaml } from '../yaml-file.ts'
import { readClientFile } from './client-file.ts'
import { mergeServers, type NewServer } from './merge-yaml.ts'
import { CLIENTS, clientPlaces, homeOf, type ClientName, type ClientPlace, type Machine } from './places.ts'
import { translateServer } from './translate.ts'
import { replaceFile } from './write-file.ts'
import type { ImportedServer, ImportReport } from '../../wire/import-report.ts'

/** Claude Code keeps much else in its file. */
const MAX_CLIENT_FILE = 16 * 1024 * 1024
const MAX_NAME = 32
/** Anyone but the owner may read. */
const OTHERS_MAY_READ = 0o044

export interface ImportRequest extends Machine {
  /** The node's YAML file. @default $SKEIN_CONFIG; it is made if it does not exist */
  config?: string | undefined
  /** A client's file; without it those of `from`, without both those of all known clients. */
  file?: string | undefined
  from?: string | undefined
  /** Before every name. */
  prefix?: string | undefined
  /** Take them over without starting them. */
  disabled?: boolean | undefined
  /** Overwrite entries of the same name. */
  replace?: boolean | undefined
  /** Change nothing. */
  dryRun?: boolean | undefined
}

/**
 * Takes the servers of MCP clients over into the node's configuration file. What cannot be taken over is reported, the rest is.
 * Throws SKEIN_USAGE if no file is named or found, SKEIN_CONFIG if one cannot be read or written.
 */
export function importServers(request: ImportRequest): ImportReport {
  const path = configPath(request)
  const before = existsSync(path) ? readConfig(path) : undefined
  const notes: string[] = []
  const rows = [...candidates(request, notes)]
  const settled = settle(rows, before?.servers ?? {}, request, before?.graph ?? true)
  const changed = settled.filter(({ report }) => report.action === 'added' || report.action === 'replaced')
  const text = mergeServers(before?.text ?? '', changed.map(({ report, entry }) => ({ name: report.name, entry })))
  if (text === undefined) throw new SkeinError('SKEIN_CONFIG', `${path}: mcp.servers is written in a way that cannot be extended (an alias, perhaps): write it out as a plain map of servers`)
  const written = request.dryRun !== true && changed.length > 0
  if (written) replaceFile(path, text, before?.mode)
  if (before !== undefined && (before.mode & OTHERS_MAY_READ) !== 0 && changed.some(({ hasSecrets }) => hasSecrets)) {
    notes.push(`other users of this machine can read ${path}, and it has secrets now: run: chmod 600 '${path}'`)
  }
  return { config: path, created: before === undefined, written, servers: settled.map(({ report }) => report), notes }
}

interface Candidate {
  place: ClientPlace | { client: undefined; path: string; project: string | undefined }
  name: string
  entry: unknown
}

interface Settled {
  report: ImportedServer
  entry: Record<string, unknown>
  hasSecrets: boolean
}

function configPath({ config, env, cwd }: ImportRequest): string {
  const named = config ?? nonEmpty(env['SKEIN_CONFIG']) ?? nonEmpty(env['SKEIN_CONFIG_PATH'])
  if (named === undefined) throw new SkeinError('SKEIN_USAGE', "Name the node's configuration file with --config (it is made if it does not exist), or set SKEIN_CONFIG.")
  return resolve(cwd, expandHome(named, env))
}

function readConfig(path: string): { text: string; mode: number; servers: Record<string, unknown>; graph: boolean } {
  const read = readYaml(path)
  if ('problems' in read) throw configError(read.problems)
  const mcp = isObject(read.file.value['mcp']) ? read.file.value['mcp'] : {}
  const graph = isObject(mcp['graph']) ? mcp['graph']['enabled'] !== false : true
  const { text, mode } = readBounded(path, MAX_CLIENT_FILE)
  return { text, mode, servers: isObject(mcp['servers']) ? mcp['servers'] : {}, graph }
}

/** Every server of every file that is meant. A file that was named must be readable; of known places what is there counts. */
function* candidates(request: ImportRequest, notes: string[]): Generator<Candidate> {
  const { file, from, env, cwd } = request
  const client = CLIENTS.find((name) => name === from)
  if (from !== undefined && client === undefined) throw new SkeinError('SKEIN_USAGE', `--from knows ${CLIENTS.join(', ')}, not "${from}"; for another client name its file.`)
  if (file !== undefined) {
    const path = resolve(cwd, expandHome(file, env))
    const place = { client: undefined, path, project: projectOf(path) }
    try {
      yield* serversOf(place, cwd)
    } catch (error) {
      throw new SkeinError('SKEIN_CONFIG', `${path} ${errorMessage(error)}`, { cause: error })
    }
    return
  }
  const places = (client === undefined ? CLIENTS : [client]).flatMap((name: ClientName) => clientPlaces(name, request))
  const present = places.filter(({ path }) => existsSync(path))
  if (present.length === 0) throw new SkeinError('SKEIN_USAGE', `No file of ${client ?? 'a known client'} was found: name it. Looked at ${places.map(({ path }) => path).join(', ')}.`)
  for (const place of present) {
    try {
      yield* serversOf(place, cwd)
    } catch (error) {
      notes.push(`${place.path} ${errorMessage(error)}`)
    }
  }
}

function serversOf(place: Candidate['place'], cwd: string): Candidate[] {
  const { text } = readBounded(place.path, MAX_CLIENT_FILE)
  return readClientFile(text, cwd).map(({ name, entry }) => ({ place, name, entry }))
}

/** Files that clients read from a project's folder. */
function projectOf(path: string): string | undefined {
  if (/[\\/]\.(?:vscode|cursor)[\\/]mcp\.json$/.test(path)) return dirname(dirname(path))
  return /[\\/]\.mcp\.json$/.test(path) ? dirname(path) : undefined
}

function settle(rows: readonly Candidate[], existing: Record<string, unknown>, request: ImportRequest, graph: boolean): Settled[] {
  const taken = new Map<string, { entry: Record<string, unknown>; source: string }>()
  return rows.map(({ place, name: written, entry: raw }) => {
    const name = serverName(`${request.prefix ?? ''}${written}`)
    const report: ImportedServer = { name, written, source: place.path, action: 'skipped', notes: name === written ? [] : [`named "${name}" here`] }
    const project = place.project
    const translated = translateServer(raw, { env: request.env, project, userHome: homeOf(request), workspaceFolder: project })
    if ('problem' in translated) {
      report.notes = [translated.problem]
      return { report, entry: {}, hasSecrets: false }
    }
    const { notes, hasSecrets } = translated
    const entry = request.disabled === true ? { ...translated.entry, enabled: false } : translated.entry
    const twin = taken.get(name)
    const refused = problemOf({ name, entry }) ?? (graph && name === 'graph' ? 'the bundled server has this name: use --name-prefix, or set mcp.graph.enabled: false' : undefined)
    if (refused !== undefined) report.notes = [refused]
    else if (twin !== undefined && isDeepStrictEqual(twin.entry, entry)) Object.assign(report, { action: 'unchanged', notes: [`the same as in ${twin.source}`] })
    else if (twin !== undefined) report.notes = [`another server of this name was found in ${twin.source}: import this file alone, with --name-prefix`]
    else {
      taken.set(name, { entry, source: place.path })
      const old = Object.hasOwn(existing, name) ? existing[name] : undefined
      if (isDeepStrictEqual(old, entry)) report.action = 'unchanged'
      else if (old !== undefined && request.replace !== true) Object.assign(report, { action: 'kept', notes: [...report.notes, 'the file has another entry of this name: --replace overwrites it, --name-prefix keeps both'] })
      else Object.assign(report, { action: old === undefined ? 'added' : 'replaced', notes: [...report.notes, ...notes] })
    }
    return { report, entry, hasSecrets }
  })
}

/** A name under mcp.servers: other characters become dashes, and it is cut to the length they may have. */
export function serverName(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, MAX_NAME).replace(/-+$/, '')
  return plain === '' || plain === '__proto__' ? 'server' : plain
}

/** Whether the node would refuse the entry. What a variable will hold is not known here. */
function problemOf({ name, entry }: NewServer): string | undefined {
  const url = typeof entry['url'] === 'string' && entry['url'].includes('${') ? { url: 'http://variable/' } : {}
  const checked = checkValues({ mcp: { servers: { [name]: { ...entry, ...url } } } })
  if (!('findings' in checked)) return undefined
  const [first] = checked.findings
  return first === undefined ? undefined : `${dotted(first.path.slice(3))} ${first.message}`.trim()
}
