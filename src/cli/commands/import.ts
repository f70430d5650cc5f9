import type { Command } from 'commander'
import { EXIT_FAILED } from '../exit-codes.ts'
import type { ImportedServer, ImportReport } from '../../wire/import-report.ts'
import type { CliContext } from '../context.ts'
import { plain, printJson, printLine, table } from '../output.ts'

interface Flags {
  json?: boolean
  config?: string
  from?: string
  namePrefix?: string
  disabled?: boolean
  replace?: boolean
  dryRun?: boolean
}

const WORDS: Record<ImportedServer['action'], string> = { added: 'added', replaced: 'replaced', unchanged: 'unchanged', kept: 'kept as it was', skipped: 'not imported' }
const WOULD: Record<ImportedServer['action'], string> = { ...WORDS, added: 'would be added', replaced: 'would be replaced' }

function outcome(report: ImportReport, dryRun: boolean): string {
  const rows = report.servers.map(({ name, action, source }) => [name, (dryRun ? WOULD : WORDS)[action], source])
  const notes = report.servers.flatMap(({ written, notes: own }) => own.map((note) => `! ${plain(written)}: ${plain(note)}`))
  const parts = [report.servers.length === 0 ? 'There are no servers in these files.' : table(['SERVER', 'RESULT', 'FROM'], rows)]
  if (notes.length + report.notes.length > 0) parts.push([...notes, ...report.notes.map((note) => `! ${plain(note)}`)].join('\n'))
  if (report.written) {
    const start = `skein start --config ${report.config}`
    parts.push(`${report.created ? 'Made' : 'Changed'} ${report.config}. Next: ${report.created ? `\`${start}\`` : `\`skein reload\` if a node runs with it, else \`${start}\``}.`)
    parts.push('Then take these servers out of the clients, and connect the clients to skein.')
  } else parts.push('Nothing was written.')
  return parts.join('\n\n')
}

export function addImport(program: Command, context: CliContext): void {
  program
    .command('import')
    .description("take the MCP servers of other clients over into the node's configuration file; needs no running node")
    .argument('[file]', "a client's JSON file with mcpServers or servers (default: the known files of the clients on this machine and in this directory)")
    .option('--json', 'print the result as JSON on standard output, errors as JSON on standard error')
    .option('--config <file>', "the node's YAML configuration; made if it does not exist (default: SKEIN_CONFIG)")
    .option('--from <client>', 'only the files of claude-desktop, claude-code, cursor, vscode or windsurf')
    .option('--name-prefix <text>', 'put this before every name')
    .option('--disabled', 'take them over with enabled: false, to be looked at first')
    .option('--replace', 'overwrite entries of the same name; without it they stay')
    .option('--dry-run', 'only say what would be done')
    .action(async (file: string | undefined, flags: Flags) => {
      const tools = await context.actions.configTools()
      const { env, cwd } = context.io
      const { config, from, namePrefix: prefix, disabled, replace, dryRun } = flags
      const report = await tools.importServers({ env, cwd, file, config, from, prefix, disabled, replace, dryRun })
      if (flags.json === true) printJson(context.io, report)
      else printLine(context.io, outcome(report, dryRun === true))
      const failed = report.servers.some(({ action }) => action === 'skipped') || report.notes.length > 0
      if (failed && !report.servers.some(({ action }) => action !== 'skipped')) context.exit(EXIT_FAILED)
    })
}
