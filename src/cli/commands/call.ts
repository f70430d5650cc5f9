import type { Command } from 'commander'
import type { ControlLine } from '../../wire/control.ts'
import { readCallArguments } from '../call-arguments.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { parseDuration } from '../duration.ts'
import { EXIT_FAILED } from '../exit-codes.ts'
import { printJson, printLine } from '../output.ts'
import { withProgress } from '../progress.ts'

interface Flags extends CommonFlags {
  timeout?: string
}

/** Without --timeout the node's own limit for that server ends the call; this ends one that it does not. ms */
const LONGEST_CALL = 24 * 3600 * 1000
/** The node ends a call that is late; its answer needs this long to arrive. ms */
const GRACE = 5_000

type Content = Record<string, unknown>

function contentText(item: Content): string {
  if (item.type === 'text' && typeof item.text === 'string') return item.text
  const resource = item.resource as Content | undefined
  if (item.type === 'resource' && typeof resource?.text === 'string') return resource.text
  const uri = item.uri ?? resource?.uri
  const kind = item.mimeType ?? resource?.mimeType
  const size = typeof item.data === 'string' ? `${Buffer.byteLength(item.data, 'base64')} bytes` : undefined
  return `[${[item.type, kind, uri, size].filter((part) => typeof part === 'string').join(', ')}]`
}

/** A result as text: its text content, other content in brackets; structured content where there is nothing else. */
function resultText(result: Content): string {
  const content = Array.isArray(result.content) ? (result.content as Content[]) : []
  if (content.length > 0) return content.map(contentText).join('\n')
  return JSON.stringify(result.structuredContent ?? result, undefined, 2)
}

function progressText(name: string, line: ControlLine): string {
  if (!('progress' in line)) return name
  const { progress, total, message } = line.progress as { progress: number; total?: number; message?: string }
  const amount = total === undefined ? String(progress) : `${progress}/${total}`
  return message === undefined ? `${name}: ${amount}` : `${name}: ${amount} ${message}`
}

export function addCall(program: Command, context: CliContext): void {
  withCommonOptions(program.command('call'))
    .description('call a tool; progress goes to standard error, exit code 1 when the tool reports an error')
    .argument('<name>', 'as in `skein tools ls`: <server>__<tool>')
    .argument('[arguments]', "the tool's arguments: a JSON object, - for standard input, or @file (default: {})")
    .option('--timeout <duration>', "how long the call may take, such as 500ms, 20s or 2m (default: the server's timeout)")
    .action(async (name: string, text: string | undefined, flags: Flags) => {
      const timeout = flags.timeout === undefined ? undefined : parseDuration(flags.timeout, '--timeout')
      const args = await readCallArguments(text, context.io)
      const client = await clientOf(context, flags)
      const body = { name, arguments: args, ...(timeout === undefined ? {} : { timeout }) }
      const result = await withProgress(context, `calling ${name}`, (progress) =>
        client.stream<Content>('/call', body, (line) => progress.update(progressText(name, line)), (timeout ?? LONGEST_CALL) + GRACE)
      )
      if (flags.json === true) printJson(context.io, result)
      else printLine(context.io, resultText(result))
      if (result.isError !== true) return
      if (flags.json !== true) context.io.stderr.write(`skein: the tool ${name} reported an error; what it says is above.\n`)
      context.exit(EXIT_FAILED)
    })
}
