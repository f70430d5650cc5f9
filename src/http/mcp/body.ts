import type { IncomingMessage } from 'node:http'

/** 'large': over `max` bytes; 'gone': the client left before it was complete. */
export type Body = { text: string } | { problem: 'large' | 'gone' }

/** Reads a body of at most `max` bytes; what claims to be larger is not read at all. Calls back exactly once. */
export function readBody(req: IncomingMessage, max: number, done: (body: Body) => void): void {
  const claimed = Number(req.headers['content-length'] ?? 0)
  if (claimed > max) return done({ problem: 'large' })
  const chunks: Buffer[] = []
  let size = 0
  let finished = false
  const finish = (body: Body) => {
    if (finished) return
    finished = true
    done(body)
  }
  req.on('data', (chunk: Buffer) => {
    if (finished) return
    size += chunk.length
    if (size > max) {
      chunks.length = 0
      finish({ problem: 'large' })
    } else chunks.push(chunk)
  })
  req.on('end', () => finish({ text: (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString() }))
  req.on('error', () => finish({ problem: 'gone' }))
  req.on('close', () => finish({ problem: 'gone' }))
}
