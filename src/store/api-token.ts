import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { SkeinError } from '../base/errors.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

/** In the data directory: what programs that use the HTTP API must send. */
export const API_TOKEN_FILE = 'api-token'

/** Beyond guessing. */
const TOKEN_BYTES = 32
/** What fits into a header (RFC 6750); people may put a token of their own there, not a short one. */
const TOKEN = /^[A-Za-z0-9._~+/-]{32,256}=*$/

/** The token of the HTTP API, made at the first start. @throws SKEIN_KEY_FILE */
export function loadApiToken(dataDir: string): string {
  const path = join(dataDir, API_TOKEN_FILE)
  const bytes = readPrivateFile(path)
  if (bytes === undefined) {
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    writePrivateFile(path, Buffer.from(`${token}\n`))
    return token
  }
  const token = Buffer.from(bytes).toString().trim()
  if (TOKEN.test(token)) return token
  throw new SkeinError('SKEIN_KEY_FILE', `${path} holds no token (32 to 256 letters, digits and . _ ~ + / -): delete it, and the next start makes a new one`, { data: { path } })
}
