import type { Eras } from '../fixtures/conformance/http.ts'

export const REVISIONS = ['2025-11-25', '2026-07-28'] as const
export type Revision = (typeof REVISIONS)[number]
export type Transport = 'stdio' | 'http'
/** `direct`: the fixture itself, without skein; `local`: the node it is attached to; `hop`: the other node. */
export type Path = 'direct' | 'local' | 'hop'

/** One line of the table: a kind of server, how it is attached, and where the client is. */
export interface Row {
  eras: Eras
  transport: Transport
  path: Path
}

export interface Run extends Row {
  revision: Revision
}

const KINDS: readonly Eras[] = ['both', '2025', '2026']
const TRANSPORTS: readonly Transport[] = ['stdio', 'http']

/** The fixture speaks to the tool itself over HTTP only; a set of the other era has nothing to say to it. */
function canRun(run: Run): boolean {
  if (run.path !== 'direct') return true
  return run.transport === 'http' && (run.eras === 'both' || run.revision.startsWith(run.eras))
}

/** Every run, the baseline first; `only` keeps those that match all its words (`both`, `stdio`, `hop`, `2026-07-28`, …). */
export function plan(only: readonly string[] = []): Run[] {
  const paths: readonly Path[] = ['direct', 'local', 'hop']
  const runs = paths.flatMap((path) =>
    KINDS.flatMap((eras) => TRANSPORTS.flatMap((transport) => REVISIONS.map((revision): Run => ({ path, eras, transport, revision }))))
  )
  return runs.filter((run) => canRun(run) && only.every((word) => ([run.path, run.eras, run.transport, run.revision] as string[]).includes(word)))
}

/** Words that `--only` knows, beside `clients`. */
export const WORDS: readonly string[] = ['direct', 'local', 'hop', ...KINDS, ...TRANSPORTS, ...REVISIONS]

/** How many of `required` must pass: all, but where the eras differ what the older one cannot say. */
export function barOf(run: Run, required: number): number {
  if (run.eras === '2025' && run.revision === '2026-07-28') return required - 2
  if (run.eras === '2026' && run.revision === '2025-11-25') return required - 2
  return required
}

/** The name under `mcp.servers`. */
export const serverName = (eras: Eras, transport: Transport) => `${eras === 'both' ? 'both' : `only-${eras}`}-${transport}`
