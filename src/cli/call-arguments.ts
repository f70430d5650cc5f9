import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { SkeinError, errorMessage } from '../base/errors.ts'
import { MAX_CONTROL_BODY_BYTES } from '../wire/control.ts'
import type { CliIo } from './context.ts'

async function readAll(source: Readable, place: string): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of source) {
      const bytes = Buffer.from(chunk as Buffer | string)
      size += bytes.length
      if (size > MAX_CONTROL_BODY_BYTES) break
      chunks.push(bytes)
    }
  } catch (error) {
    throw new SkeinError('SKEIN_USAGE', `${place} cannot be read: ${errorMessage(error)}.`, { cause: error })
  }
  if (size > MAX_CONTROL_BODY_BYTES) throw new SkeinError('SKEIN_USAGE', `${place} is larger than ${MAX_CONTROL_BODY_BYTES} bytes.`)
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * The arguments of a tool as given on the command line: nothing (`{}`), JSON, `-` for standard input, `@file`.
 * @throws SKEIN_USAGE naming the place
 */
export async function readCallArguments(text: string | undefined, io: Pick<CliIo, 'stdin' | 'cwd'>): Promise<Record<string, unknown>> {
  if (text === undefined) return {}
  const place = text === '-' ? 'Standard input' : text.startsWith('@') ? `The file ${text.slice(1)}` : 'The argument'
  let source = text
  if (text === '-') source = await readAll(io.stdin, place)
  else if (text.startsWith('@')) source = await readAll(createReadStream(resolve(io.cwd, text.slice(1))), place)
  let value: unknown
  try {
    value = JSON.parse(source)
  } catch (error) {
    throw new SkeinError('SKEIN_USAGE', `${place} is not JSON: ${errorMessage(error)}. Write the tool's arguments as '{"name": "value"}'.`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SkeinError('SKEIN_USAGE', `${place} must be a JSON object: the tool's arguments by name.`)
  }
  return value as Record<string, unknown>
}
