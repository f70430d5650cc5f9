import { existsSync, readFileSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { parseRunFile } from '../../src/wire/run-file.ts'
import type { Place } from './client.ts'

/** A node to replace. */
export interface Target {
  /** As it is called before it was asked for its name. */
  label: string
  /** Starts it again, for a shell; `{name}`, `{url}` and `{data_dir}` stand for its own. */
  restart: string
  /** Where it is now: a node on a free port is elsewhere after each start. Throws when it cannot be known. */
  locate(): Place
  /** Undefined for a node that is known by its address only. */
  dataDir: string | undefined
}

/** One entry of the list. */
interface Entry {
  url?: string
  token_file?: string
  token_env?: string
  data_dir?: string
  restart?: string
}

const FIELDS = new Set(['url', 'token_file', 'token_env', 'data_dir', 'restart'])
/** A list of thousands of nodes is no rolling update. */
const MAX_LIST_BYTES = 1024 * 1024

const tokenIn = (path: string) => readFileSync(path, 'utf8').trim()

function atDataDir(dataDir: string): Place {
  const path = join(dataDir, 'run.json')
  const run = existsSync(path) ? parseRunFile(readFileSync(path, 'utf8')) : undefined
  if (run === undefined) throw new Error(`no node runs in ${dataDir} (no run.json)`)
  return { url: run.httpUrl, token: tokenIn(join(dataDir, 'api-token')), pid: run.pid }
}

/** @throws naming the entry */
function targetOf(entry: Entry, index: number, restart: string | undefined): Target {
  const where = `node ${index + 1} of the list`
  const unknown = Object.keys(entry).find((name) => !FIELDS.has(name))
  if (unknown !== undefined) throw new Error(`${where} has an unknown "${unknown}"; known: ${[...FIELDS].join(', ')}`)
  for (const [name, value] of Object.entries(entry)) if (typeof value !== 'string' || value === '') throw new Error(`${where}: ${name} must be a text`)
  const command = entry.restart ?? restart
  if (command === undefined) throw new Error(`${where} has no restart command: give it one, or all of them with --restart`)
  if (entry.data_dir !== undefined) {
    const dataDir = resolve(entry.data_dir)
    return { label: basename(dataDir), restart: command, dataDir, locate: () => atDataDir(dataDir) }
  }
  const { url, token_file: file, token_env: variable } = entry
  if (url === undefined || !/^https?:\/\//.test(url)) throw new Error(`${where} needs a data_dir, or a url such as http://10.0.0.5:8080`)
  const token = file === undefined ? (variable === undefined ? undefined : process.env[variable]) : tokenIn(file)
  if (token === undefined) throw new Error(`${where} needs the node's API token: token_file, or token_env with the name of a variable that is set`)
  return { label: url, restart: command, dataDir: undefined, locate: () => ({ url, token }) }
}

/** The nodes of a JSON or YAML file: a list of objects. @throws naming what is wrong with it */
export async function readTargets(path: string, restart: string | undefined): Promise<Target[]> {
  const text = readFileSync(path, 'utf8')
  if (text.length > MAX_LIST_BYTES) throw new Error(`${path} is larger than ${MAX_LIST_BYTES} bytes`)
  const isYaml = ['.yaml', '.yml'].includes(extname(path))
  const value: unknown = isYaml ? (await import('yaml')).parse(text) : JSON.parse(text)
  if (!Array.isArray(value) || value.length === 0) throw new Error(`${path} must be a list of nodes`)
  return value.map((entry: unknown, index) => {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) throw new Error(`node ${index + 1} of the list must be an object`)
    return targetOf(entry, index, restart)
  })
}

/** Nodes on this machine. */
export function localTargets(dataDirs: readonly string[], restart: string | undefined): Target[] {
  return dataDirs.map((dataDir, index) => targetOf({ data_dir: dataDir }, index, restart))
}

/** In single quotes a shell takes everything as it is. */
const quoted = (text: string) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`)

/** The restart command with the node's own values in it, safe for a shell. */
export function commandOf(target: Target, name: string, url: string): string {
  const values: Record<string, string> = { name, url, data_dir: target.dataDir ?? '' }
  return target.restart.replaceAll(/\{(name|url|data_dir)\}/g, (_, key: string) => quoted(values[key] as string))
}
