import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Client, Server } from './protocol.ts'

/** What is used of `@nats-io/transport-node` 3; the package is not a dependency of this project. */
interface Message {
  data: Uint8Array
  respond(data: Uint8Array): boolean
}
interface NatsConnection {
  subscribe(subject: string, options: { callback: (error: Error | null, message: Message) => void }): unknown
  request(subject: string, data: Uint8Array, options: { timeout: number }): Promise<Message>
  flush(): Promise<void>
  close(): Promise<void>
}

const SUBJECT = 'echo-js'
const TIMEOUT_MS = 60_000

async function open(address: string, folder: string): Promise<NatsConnection> {
  const entry = createRequire(join(folder, 'package.json')).resolve('@nats-io/transport-node')
  const library = (await import(pathToFileURL(entry).href)) as { connect(options: { servers: string }): Promise<NatsConnection> }
  return library.connect({ servers: `127.0.0.1:${address}` })
}

/** Request/reply with the client that NATS ships for Node, as its users run it. @param folder where it is installed */
export async function natsJsServer(address: string, folder: string): Promise<Server> {
  const nats = await open(address, folder)
  nats.subscribe(SUBJECT, { callback: (_error, message) => void message.respond(message.data) })
  await nats.flush()
  return { address, close: () => nats.close() }
}

export async function natsJsClient(address: string, folder: string): Promise<Client> {
  const nats = await open(address, folder)
  return {
    echo: async (body) => (await nats.request(SUBJECT, body, { timeout: TIMEOUT_MS })).data.length,
    close: () => nats.close()
  }
}
