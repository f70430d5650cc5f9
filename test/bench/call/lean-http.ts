import { connect, type Socket } from 'node:net'

/** As much of HTTP/1.1 as a benchmark needs: one connection, one request at a time, bodies by length or in chunks. */
export interface LeanConnection {
  /** Resolves with the body of the answer. Rejects if the connection ends or the status is not 2xx. */
  post(body: string): Promise<string>
  close(): void
}

interface Head {
  status: number
  /** Where the body begins. */
  start: number
  /** Undefined: chunked. */
  length: number | undefined
  session: string | undefined
}

const ENOUGH = 64 * 1024

function readHead(text: string): Head | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  const chunked = /\r\ntransfer-encoding: *chunked/i.test(head)
  return {
    status: Number(head.slice(9, 12)),
    start: end + 4,
    length: length === undefined ? (chunked ? undefined : 0) : Number(length),
    session: /\r\nmcp-session-id: *([^\r]+)/i.exec(head)?.[1]
  }
}

/** Opens a connection to an MCP endpoint; `headers` go with every request. */
export async function leanConnection(url: URL, headers: () => Record<string, string>, onSession: (id: string) => void): Promise<LeanConnection> {
  const socket: Socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  let received = ''
  let waiting: { resolve(body: string): void; reject(error: Error): void } | undefined

  function settle(): void {
    const head = readHead(received)
    if (head === undefined || waiting === undefined) return
    let body: string
    if (head.length === undefined) {
      if (!received.endsWith('0\r\n\r\n')) return
      body = received.slice(head.start)
    } else {
      if (received.length < head.start + head.length) return
      body = received.slice(head.start, head.start + head.length)
    }
    received = ''
    const { resolve, reject } = waiting
    waiting = undefined
    if (head.session !== undefined) onSession(head.session)
    if (head.status >= 200 && head.status < 300) resolve(body)
    else reject(new Error(`HTTP ${head.status}: ${body.slice(0, 300)}`))
  }
  function fail(error: Error): void {
    waiting?.reject(error)
    waiting = undefined
  }
  // Only text without multi-byte characters is sent back and forth here: lengths in characters are lengths in bytes.
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    received += chunk
    if (received.length > ENOUGH) socket.destroy(new Error('the answer is too long for this benchmark'))
    else settle()
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the connection was closed')))

  let prepared = ''
  let preparedFor: Record<string, string> | undefined
  return {
    post(body) {
      const given = headers()
      if (given !== preparedFor) {
        preparedFor = given
        prepared = `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\n${Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`).join('')}`
      }
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        socket.write(`${prepared}content-length: ${body.length}\r\n\r\n${body}`)
      })
    },
    close: () => socket.destroy()
  }
}
