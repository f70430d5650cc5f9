/**
 * A member written from protocols/*.md alone: it imports nothing of skein. Reads a join token from standard input, joins, asks for
 * the catalog, calls one tool and prints what it saw as one line of JSON.
 *
 *   node client.mjs --server echo --tool echo --arguments '{"text":"hi"}' [--opens us|them] [--until-goaway] < token
 *
 * `--opens` picks a key on whose side of the peer's id the opening of the stream falls; `--until-goaway` stays until the peer says that it leaves.
 */
import { createHash, randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { ask } from './admission.mjs'
import { checkCredential, fromCbor, openRecord, peerIdOf, readToken, toCbor } from './documents.mjs'
import { createLink, RPC } from './links.mjs'
import { callBody, callTool } from './mcp.mjs'

const [ECHO, CATALOG_DIGEST, CATALOG_DEFINITIONS, MCP_CALL, MCP_END_SESSION] = [1, 16, 18, 32, 33]
/** The pool of a flat federation. */
const POOL = 'root'
const CATALOG_MS = 15_000

const { values: options } = parseArgs({
  options: {
    server: { type: 'string' },
    tool: { type: 'string' },
    arguments: { type: 'string', default: '{}' },
    opens: { type: 'string' },
    'until-goaway': { type: 'boolean', default: false }
  }
})

/** A new key whose peer id is on the wanted side of the other's. */
async function makeKey(peer) {
  for (;;) {
    const key = await generateKeyPair('Ed25519')
    const self = peerIdOf(Buffer.from(key.publicKey.raw))
    if (options.opens === undefined || (self < peer) === (options.opens === 'us')) return { key, self }
  }
}

async function run() {
  const token = readToken(await text(process.stdin))
  const address = multiaddr(token.addresses[0])
  const peer = token.addresses[0].split('/p2p/')[1]
  const { key, self } = await makeKey(peer)
  const libp2p = await createLibp2p({
    privateKey: key,
    transports: [tcp()],
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 1024 * 1024 } })],
    connectionMonitor: { enabled: false },
    services: { identify: identify() }
  })
  try {
    return await use(libp2p, { token, address, peer, self })
  } finally {
    await libp2p.stop()
  }
}

async function use(libp2p, { token, address, peer, self }) {
  const early = []
  let take = (stream) => early.push(stream)
  // Both are admitted with the answer to `present`: the peer may open its stream before we have read that.
  await libp2p.handle(RPC, (stream) => void take(stream))
  const connection = await libp2p.dial(address)
  const joined = await ask(connection, { kind: 'join', token: token.text, name: 'standalone' })
  const credential = checkCredential(joined, token.federation, self)
  const shown = await ask(connection, { kind: 'present', bundle: joined })
  checkCredential(shown, token.federation, peer)

  const served = []
  const serve = (method, body) => {
    served.push(method)
    if (method === ECHO) return body
    if (method === CATALOG_DIGEST) return toCbor({ records: [], wanted: [], more: false })
    return undefined
  }
  const link = createLink({ connection, self, peer, federation: token.federation, serve })
  take = link.accept
  for (const stream of early) take(stream)
  link.start()
  const session = await link.session()
  const result = await useSession(session, { token, self })
  if (options['until-goaway']) {
    console.error('waiting for the peer to leave')
    await Promise.race([session.goaway, session.ended])
  }
  await link.close()
  return { self, peer, federation: token.federation, credential: { name: credential.name, tier: credential.tier }, opener: session.opened ? 'us' : 'them', ...result, served, seen: session.seen }
}

async function must(promise, what) {
  const { body, error } = await promise
  if (error !== undefined) throw Object.assign(new Error(`${what}: ${error.message}`), { code: error.code })
  return body
}

async function useSession(session, { token, self }) {
  // Larger than the peer's window: it comes back whole only if credit is given and used on both sides.
  const sent = randomBytes(3 * session.peer().window)
  const echoed = await must(session.request(ECHO, sent), 'ECHO')

  const { record, tool } = await findTool(session, token.federation)
  const [, digest] = tool
  const answer = fromCbor(await must(session.request(CATALOG_DEFINITIONS, toCbor({ digests: [digest] })), 'CATALOG_DEFINITIONS'))
  const [found, json] = answer.definitions[0] ?? []
  if (found === undefined || !createHash('sha256').update(json).digest().equals(digest)) throw new Error('the definition is not what the record says')

  const name = `${self}/${randomBytes(8).toString('hex')}`
  const head = {
    server: options.server,
    method: 'tools/call',
    digest: Buffer.from(digest).toString('hex'),
    client: { session: name, clientInfo: { name: 'standalone', version: '1.0.0' }, capabilities: { roots: {}, sampling: {} } }
  }
  const params = { name: options.tool, arguments: JSON.parse(options.arguments), _meta: { progressToken: 'p1' } }
  const messages = []
  const onMessage = (body) => {
    const message = JSON.parse(body)
    // An empty object only renews the time limit.
    if (message.method !== undefined) messages.push(message)
  }
  const questions = []
  const called = await callTool((tried) => must(session.request(MCP_CALL, callBody(head, tried), { onMessage }), 'MCP_CALL'), params, questions)
  await must(session.request(MCP_END_SESSION, Buffer.from(name)), 'MCP_END_SESSION')
  return {
    echo: { bytes: echoed.length, same: echoed.equals(sent) },
    record: { peer: record.peer, name: record.name, servers: record.servers.map((server) => server.name) },
    definition: JSON.parse(Buffer.from(json).toString()),
    messages,
    questions,
    called
  }
}

/** The node writes its record when its server has started: asked for until it is there. */
async function findTool(session, federation) {
  for (const until = Date.now() + CATALOG_MS; Date.now() < until; ) {
    const body = await must(session.request(CATALOG_DIGEST, toCbor({ federation, pool: POOL, entries: [] })), 'CATALOG_DIGEST')
    for (const sealed of fromCbor(body).records) {
      const record = openRecord(sealed)
      const tool = record.servers.find((server) => server.name === options.server)?.tools.find(([name]) => name === options.tool)
      if (tool !== undefined) return { record, tool }
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error(`no record offers ${options.server} ${options.tool}`)
}

try {
  console.log(JSON.stringify(await run()))
} catch (error) {
  console.error(error.code === undefined ? error.stack : `${error.message} (${error.code})`)
  process.exitCode = 1
}
