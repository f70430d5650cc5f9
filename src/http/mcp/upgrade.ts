import { STATUS_CODES, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { McpHttp } from './create-mcp-http.ts'
import { noSuchView } from './replies.ts'

/** The name in `Upgrade:` of an MCP session over the raw connection. */
const UPGRADE_PROTOCOL = 'skein-mcp'

function refuse(socket: Duplex, status: number, message: string): void {
  const body = JSON.stringify({ error: { message } })
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`
  socket.end(head + body)
}

/**
 * Answers `Upgrade: skein-mcp` on `/mcp`, `/mcp/<server>` or `/mcp/@<view>` (the control socket's 'upgrade' event): the connection carries
 * an MCP session from then on. Access is the socket's own matter: it is checked before this is called.
 */
export function acceptMcpUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer, mcpHttp: McpHttp): void {
  socket.on('error', () => socket.destroy())
  if (req.headers.upgrade?.toLowerCase() !== UPGRADE_PROTOCOL) return refuse(socket, 400, `Only "Upgrade: ${UPGRADE_PROTOCOL}" is spoken here.`)
  const match = /^\/mcp(?:\/([^/?]+))?\/?(?:\?.*)?$/.exec(req.url ?? '')
  if (match === null) return refuse(socket, 404, 'MCP sessions are at /mcp, /mcp/<server> and /mcp/@<view>.')
  let view: string | undefined
  try {
    view = match[1] === undefined ? undefined : decodeURIComponent(match[1])
  } catch {
    return refuse(socket, 400, 'The name in the path is not valid percent-encoding.')
  }
  // A session that outlives its node comes back at once: it has to wait for the next one.
  if (mcpHttp.stopping) return refuse(socket, 503, 'The node is being drained or stopped: try again in a while.')
  if (!mcpHttp.serves(view)) return refuse(socket, 404, noSuchView(view))
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`)
  if (head.length > 0) socket.unshift(head)
  mcpHttp.attachStdio(socket, view)
}
