/**
 * Runs inside the namespace of Serf agents and speaks their RPC (msgpack over TCP), so that a join does not cost a process.
 * A line `{"id":1,"host":"127.0.1.2"}` opens and shakes hands; `{"id":2,"host":…,"seeds":[…]}` joins and closes. Answers `{"id":…,"error":…}`.
 */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

export const SERF_RPC_PORT = 7373

type Plain = boolean | number | string | Plain[] | { [key: string]: Plain }

/** As much of msgpack as the requests need: short strings, arrays and maps, and numbers to 2^32. */
function msgpack(value: Plain): Buffer {
  if (typeof value === 'boolean') return Buffer.of(value ? 0xc3 : 0xc2)
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(5, 0xce)
    bytes.writeUInt32BE(value, 1)
    return bytes
  }
  if (typeof value === 'string') {
    const text = Buffer.from(value)
    return Buffer.concat([Buffer.of(0xda, text.length >> 8, text.length & 0xff), text])
  }
  if (Array.isArray(value)) return Buffer.concat([Buffer.of(0x90 | value.length), ...value.map(msgpack)])
  const entries = Object.entries(value)
  return Buffer.concat([Buffer.of(0x80 | entries.length), ...entries.flatMap(([key, item]) => [msgpack(key), msgpack(item)])])
}

interface Session {
  call(command: string, body: Plain): Promise<string>
  end(): void
}

function open(host: string): Promise<Session> {
  const { promise, resolve, reject } = Promise.withResolvers<Session>()
  const waiting: ((answer: string) => void)[] = []
  let sequence = 0
  const socket: Socket = connect(SERF_RPC_PORT, host)
  socket.setNoDelay(true)
  socket.on('error', reject)
  socket.on('data', (bytes: Buffer) => waiting.shift()?.(bytes.toString('latin1')))
  const call = (command: string, body: Plain) =>
    new Promise<string>((done) => {
      waiting.push(done)
      socket.write(Buffer.concat([msgpack({ Command: command, Seq: sequence++ }), msgpack(body)]))
    })
  socket.on('connect', () => void call('handshake', { Version: 1 }).then(() => resolve({ call, end: () => socket.destroy() })))
  return promise
}

async function serve(): Promise<void> {
  const sessions = new Map<string, Session>()
  const answer = async ({ id, host, seeds }: { id: number; host: string; seeds?: string[] }) => {
    try {
      if (seeds === undefined) sessions.set(host, await open(host))
      else {
        const session = sessions.get(host) ?? (await open(host))
        sessions.delete(host)
        await session.call('join', { Existing: seeds, Replay: false })
        session.end()
      }
      process.stdout.write(`${JSON.stringify({ id })}\n`)
    } catch (error) {
      process.stdout.write(`${JSON.stringify({ id, error: String(error) })}\n`)
    }
  }
  for await (const line of createInterface({ input: process.stdin })) void answer(JSON.parse(line) as { id: number; host: string; seeds?: string[] })
  process.exit(0)
}

if (process.argv[1] === import.meta.filename) await serve()
