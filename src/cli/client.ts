import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { SkeinError } from '../base/errors.ts'
import { fromControlError } from '../wire/control.ts'
import type { ControlLine } from '../wire/control.ts'
import { CONTROL_SOCKET_NAME, MAX_RUN_FILE_BYTES, RUN_FILE_NAME, parseRunFile } from '../wire/run-file.ts'
import type { RunFile } from '../wire/run-file.ts'

/** A question to the node takes milliseconds; a reload waits for servers, which have 20 s each by default. */
const REQUEST_TIMEOUT = 60_000
/** A tool's result may be 16 MiB (`rpc.max_body_bytes`); as escaped JSON it can double. */
const MAX_ANSWER_BYTES = 40 * 1024 * 1024

export interface ControlClient {
  readonly socketPath: string
  /** @throws SKEIN_NOT_RUNNING, or the node's own error */
  request<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T>
  /** A streamed answer: `onLine` for what comes on the way, the result at the end. @param until ms, or a signal that ends it */
  stream<T>(path: string, body: unknown, onLine: (line: ControlLine) => void, until: number | AbortSignal): Promise<T>
}

/** The run file of the node in a data directory, if there is one. */
async function findNode(dataDir: string): Promise<RunFile | undefined> {
  const text = await readFile(join(dataDir, RUN_FILE_NAME), 'utf8').catch(() => '')
  return text.length > MAX_RUN_FILE_BYTES ? undefined : parseRunFile(text)
}

export async function findSocket(dataDir: string): Promise<string> {
  return (await findNode(dataDir))?.controlSocket ?? join(dataDir, CONTROL_SOCKET_NAME)
}

function notRunning(dataDir: string, cause?: unknown): SkeinError {
  const message = `No node is running in ${dataDir}. Start one with \`skein start\`, or name its directory with --data-dir.`
  return new SkeinError('SKEIN_NOT_RUNNING', message, { cause, data: { dataDir } })
}

function explain(error: NodeJS.ErrnoException, dataDir: string): SkeinError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTSOCK':
    case 'ENOTDIR':
      return notRunning(dataDir, error)
    case 'EACCES':
    case 'EPERM':
      return new SkeinError('SKEIN_DATA_DIR', `The node in ${dataDir} belongs to another user; run the command as that user.`, { cause: error })
    case 'ABORT_ERR':
    case 'ETIMEDOUT':
      return new SkeinError('SKEIN_DEADLINE', 'The node did not answer in time; see its log.', { cause: error })
    default:
      return new SkeinError('SKEIN_SESSION_CLOSED', `The node ended the connection before it had answered (${error.code ?? error.message}).`, { cause: error })
  }
}

/** Cuts an answer into lines; the last one needs no line end. */
async function* linesOf(answer: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = []
  let size = 0
  for await (const chunk of answer) {
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...parts, chunk.subarray(start, end)]).toString('utf8')
      parts = []
      size = 0
      start = end + 1
    }
    size += chunk.length - start
    if (size > MAX_ANSWER_BYTES) throw new SkeinError('SKEIN_LIMIT', `The answer is larger than ${MAX_ANSWER_BYTES} bytes.`)
    parts.push(chunk.subarray(start))
  }
  const rest = Buffer.concat(parts).toString('utf8')
  if (rest !== '') yield rest
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new SkeinError('SKEIN_PROTOCOL', 'The node answered with something that is not JSON; is it of another version?', { cause: error })
  }
}

async function bodyOf(answer: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new SkeinError('SKEIN_LIMIT', `The answer is larger than ${MAX_ANSWER_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return parse(Buffer.concat(chunks).toString('utf8'))
}

/** Speaks to the node that runs in a data directory; connects with each request. */
export async function createControlClient(dataDir: string): Promise<ControlClient> {
  const socketPath = await findSocket(dataDir)

  function send(method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body)
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
      const req = request({ socketPath, method, path, headers, signal, agent: false }, resolve)
      req.on('error', reject)
      req.end(text)
    })
  }

  /** Sends, and turns a refusal into its error; `read` gets an answer of status 2xx. */
  async function exchange<T>(method: string, path: string, body: unknown, until: number | AbortSignal, read: (answer: IncomingMessage) => Promise<T>): Promise<T> {
    try {
      const answer = await send(method, path, body, typeof until === 'number' ? AbortSignal.timeout(until) : until)
      if ((answer.statusCode ?? 500) >= 300) throw fromControlError(((await bodyOf(answer)) as { error?: unknown } | null)?.error)
      return await read(answer)
    } catch (error) {
      throw error instanceof SkeinError ? error : explain(error as NodeJS.ErrnoException, dataDir)
    }
  }

  return {
    socketPath,
    request: <T>(method: 'GET' | 'POST', path: string, body?: unknown) =>
      exchange(method, path, body, REQUEST_TIMEOUT, async (answer) => (await bodyOf(answer)) as T),
    stream: <T>(path: string, body: unknown, onLine: (line: ControlLine) => void, until: number | AbortSignal) =>
      exchange('POST', path, body, until, async (answer) => {
        for await (const text of linesOf(answer as AsyncIterable<Buffer>)) {
          const line = parse(text) as ControlLine
          if ('error' in line) throw fromControlError(line.error)
          if ('result' in line) return line.result as T
          onLine(line)
        }
        throw new SkeinError('SKEIN_SESSION_CLOSED', 'The node ended the connection before it had answered; it may be stopping.')
      })
  }
}
