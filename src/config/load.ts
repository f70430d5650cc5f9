import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { checkValues, type Finding } from './check.ts'
import { finishConfig } from './finish.ts'
import { dropGuideKeys } from './guide-keys.ts'
import { environmentOverlay, flagOverlay, type Flags, type Overlay } from './overlay.ts'
import { expandHome, nonEmpty, type Env } from './paths.ts'
import { configError, problemLine } from './problems.ts'
import { camelValues, sections } from './schema.ts'
import { expandServers } from './servers.ts'
import { dotted, fillEmptySections, leafPaths, setAt } from './tree.ts'
import type { LoadedConfig, Origin, Problem } from './types.ts'
import { readYaml, type ConfigFile, type Path } from './yaml-file.ts'

export interface LoadOptions {
  /** Path of the YAML file. @default $SKEIN_CONFIG; without either, no file is read */
  file?: string | undefined
  env: Env
  flags?: Flags
  /** What relative paths of flags and variables are relative to; those in the file are relative to the file. */
  cwd: string
}

/**
 * The configuration from defaults, then the YAML file, then the environment, then flags; the later one wins.
 * Throws one SKEIN_CONFIG with every problem found, each with its place (`data.problems`: Problem[]).
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { env, cwd } = options
  const named = options.file ?? nonEmpty(env['SKEIN_CONFIG']) ?? nonEmpty(env['SKEIN_CONFIG_PATH'])
  const file = named === undefined ? undefined : readOrThrow(resolve(cwd, expandHome(named, env)))
  const values = structuredClone(file?.value ?? {})
  const problems: Problem[] = []
  const warnings = dropGuideKeys(values).map(({ path, key, message }) => problemLine({ ...place(file, path, 'key'), key, message }))
  fillEmptySections(sections, values)

  const environment = environmentOverlay(env)
  warnings.push(...environment.warnings)
  const sources = new Map<string, Origin>()
  for (const key of leafPaths(sections, values)) sources.set(key, 'file')
  const overlays = new Map<string, Overlay>()
  for (const [origin, list] of [['environment', environment.overlays], ['flag', flagOverlay(options.flags ?? {})]] as const) {
    for (const overlay of list) {
      if (!setAt(values, overlay.key, overlay.value)) continue
      overlays.set(overlay.key, overlay)
      sources.set(overlay.key, origin)
    }
  }
  if (!sources.has('node.id')) setAt(values, 'node.id', hostId())

  const located = ({ path, at, message }: Finding): Problem => {
    const key = dotted(path)
    const overlay = overlays.get(path.filter((step) => typeof step === 'string').join('.'))
    return overlay === undefined ? { ...place(file, path, at), key, message } : { where: overlay.where, key, message }
  }
  const report = (finding: Finding) => void problems.push(located(finding))
  const mcp = values['mcp'] as Record<string, unknown> | undefined
  const written = mcp?.['servers']
  if (mcp !== undefined && written !== undefined) mcp['servers'] = expandServers(written, env, (path, message) => report({ path, at: 'value', message }))

  const checked = checkValues(values)
  if ('findings' in checked) {
    for (const finding of checked.findings) report(finding)
    throw configError(inOrder(problems))
  }
  const config = finishConfig(camelValues(checked.parsed), {
    file,
    sources,
    env,
    cwd,
    writtenServers: (written ?? {}) as Record<string, unknown>,
    report,
    warn: (finding) => warnings.push(problemLine(located(finding))),
    refuse: (problem) => problems.push(problem)
  })
  if (problems.length > 0) throw configError(inOrder(problems))
  return { config, warnings, sources, file: file?.path }
}

function readOrThrow(path: string): ConfigFile {
  const read = readYaml(path)
  if ('problems' in read) throw configError(read.problems)
  return read.file
}

/** The host name, made to fit the rule for ids. */
function hostId(): string {
  const name = hostname().replaceAll(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 63)
  return name === '' ? 'node' : name
}

function place(file: ConfigFile | undefined, path: Path, at: 'key' | 'value'): Pick<Problem, 'where' | 'line' | 'column'> {
  return file === undefined ? { where: 'configuration' } : { where: file.path, ...file.position(path, at) }
}

function inOrder(problems: Problem[]): Problem[] {
  return problems.toSorted((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || 0)
}

