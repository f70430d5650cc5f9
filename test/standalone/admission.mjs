/** /skein/admission/1.0.0, the asking side (protocols/admission.md). */
import { fromCbor, toCbor } from './documents.mjs'

const PROTOCOL = '/skein/admission/1.0.0'
const MAX_MESSAGE = 65_536
const TIMEOUT_MS = 10_000

/** One request on a stream of its own; throws the refusal. */
export async function ask(connection, request) {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const stream = await connection.newStream(PROTOCOL, { signal })
  const answer = new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0)
    const finish = () => {
      if (bytes.length < 4 || bytes.length !== 4 + bytes.readUInt32BE()) reject(new Error(`the answer ended after ${bytes.length} bytes`))
      else resolve(bytes.subarray(4))
    }
    stream.addEventListener('message', ({ data }) => {
      bytes = Buffer.concat([bytes, data.subarray()])
      if (bytes.length >= 4 && (bytes.readUInt32BE() > MAX_MESSAGE || bytes.length > 4 + bytes.readUInt32BE())) reject(new Error('the answer is too long'))
    })
    stream.addEventListener('remoteCloseWrite', finish)
    stream.addEventListener('close', finish)
    signal.addEventListener('abort', () => reject(new Error(`no answer to ${request.kind} within ${TIMEOUT_MS} ms`)))
  })
  try {
    const message = toCbor(request)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(message.length)
    stream.send(Buffer.concat([length, message]))
    const [bytes] = await Promise.all([answer, stream.close({ signal })])
    const { ok, bundle, code, message: reason } = fromCbor(bytes)
    if (ok !== true) throw Object.assign(new Error(`${request.kind} was refused: ${reason}`), { code })
    return bundle
  } catch (error) {
    stream.abort(error)
    throw error
  }
}
