import type { Command } from 'commander'
import type { CallTrace } from '../../node/api.ts'
import type { ControlLine } from '../../wire/control.ts'
import { readCallArguments } from '../call-arguments.ts'
import type { ControlClient } from '../client.ts'
import { clientOf, withCommonOptions } from '../command.ts'
import type { CommonFlags } from '../command.ts'
import type { CliContext } from '../context.ts'
import { parseDuration } from '../duration.ts'
import { EXIT_FAILED } from '../exit-codes.ts'
import { plain, printJson, printLine, table } from '../output.ts'
import { withProgress, type Progress } from '../progress.ts'
import { REASON_TEXT } from './route.ts'

interface Flags extends CommonFlags {
  timeout?: string
  trace?: boolean
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

/** One line for each attempt: where it went, over whom and why, how long that was expected to take, and what came of it. */
export function traceText({ correlation, attempts }: CallTrace): string {
  const rows = attempts.map(({ name, peer, path, names, why, expected, ms, ended }) => [
    name || peer,
    path.length === 1 ? 'here' : path.length === 2 ? 'direct' : names.join(' > '),
    REASON_TEXT[why],
    `${expected.toFixed(1)} ms`,
    `${ms.toFixed(1)} ms`,
    ended
  ])
  return `correlation ${plain(correlation)}\n${table(['PROVIDER', 'PATH', 'WHY', 'EXPECTED', 'TOOK', 'ENDED'], rows)}`
}

/** @param showTrace called when the line of the progress is gone, also when the call fails */
async function makeCall(context: CliContext, client: ControlClient, body: { name: string }, limit: number, showTrace: (trace: CallTrace) => void): Promise<Content> {
  let trace: CallTrace | undefined
  const onLine = (progress: Progress) => (line: ControlLine) => {
    if ('trace' in line) trace = line.trace as CallTrace
    else progress.update(progressText(body.name, line))
  }
  try {
    return await withProgress(context, `calling ${body.name}`, (progress) => client.stream<Content>('/call', body, onLine(progress), limit))
  } finally {
    if (trace !== undefined) showTrace(trace)
  }
}

export function addCall(program: Command, context: CliContext): void {
  withCommonOptions(program.command('call'))
    .description('call a tool; progress goes to standard error, exit code 1 when the tool reports an error')
    .argument('<name>', 'as in `skein tools ls`: <server>__<tool>')
    .argument('[arguments]', "the tool's arguments: a JSON object, - for standard input, or @file (default: {})")
    .option('--timeout <duration>', "how long the call may take, such as 500ms, 20s or 2m (default: the server's timeout)")
    .option('--trace', 'show on standard error where the call went, and why; with --json as one JSON object')
    .action(async (name: string, text: string | undefined, flags: Flags) => {
      const timeout = flags.timeout === undefined ? undefined : parseDuration(flags.timeout, '--timeout')
      const args = await readCallArguments(text, context.io)
      const client = await clientOf(context, flags)
      const body = { name, arguments: args, ...(timeout === undefined ? {} : { timeout }), ...(flags.trace === true ? { trace: true } : {}) }
      const result = await makeCall(context, client, body, (timeout ?? LONGEST_CALL) + GRACE, (trace) => {
        context.io.stderr.write(`${flags.json === true ? JSON.stringify({ trace }) : traceText(trace)}\n`)
      })
      if (flags.json === true) printJson(context.io, result)
      else printLine(context.io, resultText(result))
      if (result.isError !== true) return
      if (flags.json !== true) context.io.stderr.write(`skein: the tool ${name} reported an error; what it says is above.\n`)
      context.exit(EXIT_FAILED)
    })
}
