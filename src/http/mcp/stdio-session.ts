import type { Duplex } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { readMessage } from './json-rpc.ts'
import type { Session, Sessions } from './ports.ts'
import { INVALID_REQUEST, PARSE_ERROR } from './replies.ts'
import { MAX_UNREAD } from './sse.ts'

export interface StdioDeps {
  downstream: Sessions
  onSlow: () => void
  /** The session is over. */
  onEnd: () => void
}

export interface StdioSession {
  close(reason: string): void
}

/**
 * An MCP session over a byte stream: one JSON message a line, as on stdio. A client that ends its side still gets the answers
 * to what runs, then we end ours. While it does not read, nothing more is read from it.
 */
export function createStdioSession(socket: Duplex, deps: StdioDeps, options: { view: string | undefined; maxLine: number }): StdioSession {
  const decoder = new StringDecoder()
  let partial: string[] = []
  let partialLength = 0
  let inputEnded = false
  let over = false

  const session: Session = deps.downstream.open({
    view: options.view,
    transport: 'stdio',
    link: {
      send(message) {
        const sent = !(inputEnded && 'method' in message && 'id' in message) && write(message)
        settle()
        return sent
      },
      dropped: settle
    }
  })

  function write(message: object): boolean {
    if (over || socket.destroyed || socket.writableEnded) return false
    if (socket.writableLength > MAX_UNREAD) {
      deps.onSlow()
      close('it did not read')
      return false
    }
    if (!socket.write(`${JSON.stringify(message)}\n`) && !inputEnded) socket.pause()
    return true
  }

  function settle(): void {
    if (inputEnded && session.running === 0) close('the client ended it')
  }

  function close(reason: string): void {
    if (over) return
    over = true
    session.close(reason)
    // What was written still goes out; a client that does not read has had its chance.
    if (socket.writableLength > MAX_UNREAD) socket.destroy()
    // Half-open connections end here too, or one that never closes would stay for ever.
    else socket.end(() => socket.destroy())
    deps.onEnd()
  }

  function problem(code: number, message: string): void {
    write({ jsonrpc: '2.0', id: null, error: { code, message } })
  }

  function line(text: string): void {
    if (text.trim() === '') return
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return problem(PARSE_ERROR, 'A line was not JSON: send one JSON-RPC message a line.')
    }
    const read = readMessage(value)
    if ('problem' in read) problem(INVALID_REQUEST, read.problem)
    else session.receive(read.message)
  }

  socket.on('data', (chunk: Buffer) => {
    const pieces = decoder.write(chunk).split('\n')
    const rest = pieces.pop() as string
    for (const piece of pieces) {
      if (over) return
      const whole = partial.join('') + piece
      partial = []
      partialLength = 0
      line(whole)
    }
    if (over) return
    partial.push(rest)
    partialLength += rest.length
    if (partialLength > options.maxLine) {
      problem(INVALID_REQUEST, `A message is longer than ${options.maxLine} bytes (mcp.max_body_bytes): send less at once.`)
      close('a message was too long')
    }
  })
  socket.on('drain', () => socket.resume())
  socket.on('end', () => {
    inputEnded = true
    settle()
  })
  socket.on('error', () => close('the connection broke'))
  socket.on('close', () => close('the client disconnected'))

  return { close }
}
