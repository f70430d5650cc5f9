import type { Duplex } from 'node:stream'
import { isTooDeep } from '../../base/json-depth.ts'
import { createLineSplitter } from '../../base/lines.ts'
import { responseText, type JsonRpcMessage } from '../../wire/json-rpc.ts'
import { INVALID_REQUEST, PARSE_ERROR } from '../../wire/mcp-spec.ts'
import { readMessage, TOO_DEEP } from './json-rpc.ts'
import type { Session, Sessions } from './ports.ts'
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
 * An MCP session over a byte stream: one JSON message a line, as on stdio, of either era. A client that ends its side still gets the
 * answers to what runs, then we end ours. While it does not read, nothing more is read from it.
 */
export function createStdioSession(socket: Duplex, deps: StdioDeps, options: { view: string | undefined; maxLine: number }): StdioSession {
  let inputEnded = false
  let over = false

  const session: Session = deps.downstream.open({
    view: options.view,
    transport: 'stdio',
    link: {
      send(message) {
        // Nobody is there to answer a question.
        if (inputEnded && 'id' in message) return false
        return write(JSON.stringify(message))
      },
      answer(id, outcome) {
        const sent = write(responseText(id, outcome))
        settle()
        return sent
      },
      dropped: settle
    }
  })

  const uncork = () => socket.uncork()

  function write(json: string): boolean {
    if (over || socket.destroyed || socket.writableEnded) return false
    if (socket.writableLength > MAX_UNREAD) {
      deps.onSlow()
      close('it did not read')
      return false
    }
    // What is said in one turn goes out in one system call.
    if (socket.writableCorked === 0) {
      socket.cork()
      process.nextTick(uncork)
    }
    if (!socket.write(`${json}\n`) && !inputEnded) socket.pause()
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
    write(responseText(null, { error: { code, message } }))
  }

  function parsed(line: Buffer): JsonRpcMessage | undefined {
    const text = line.toString()
    if (text.trim() === '') return undefined
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      problem(PARSE_ERROR, 'A line was not JSON: send one JSON-RPC message a line.')
      return undefined
    }
    const read = isTooDeep(text) ? TOO_DEEP : readMessage(value)
    if ('message' in read) return read.message
    problem(INVALID_REQUEST, read.problem)
    return undefined
  }

  const lines = createLineSplitter(options.maxLine, (line) => {
    if (over) return
    const message = parsed(line)
    if (message !== undefined) session.receive(message)
  })

  socket.on('data', (chunk: Buffer) => {
    if (over || lines.feed(chunk)) return
    problem(INVALID_REQUEST, `A message is longer than ${options.maxLine} bytes (mcp.max_body_bytes): send less at once.`)
    close('a message was too long')
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
