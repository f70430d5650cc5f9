import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, createServer as createNetServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { waitUntil } from '../../support/wait-until.ts'
import { cleanup, connect, errorOf, json, reading, result, serve, type Listening, type Posted } from './setup.ts'

const echo = (seen: Posted[] = []) =>
  reading((posted, response) => {
    seen.push(posted)
    if (posted.method !== 'POST') return void response.writeHead(405).end()
    json(response, result(posted, { path: posted.path, method: posted.message?.method }))
  })

describe('redirects', () => {
  test.each([307, 308])('HTTP %i within the origin is followed with the same body and headers', async (status) => {
    const seen: Posted[] = []
    const answer = echo(seen)
    let redirected = 0
    const { url } = await serve((request, response) => {
      if (request.url !== '/mcp') return answer(request, response)
      redirected += 1
      response.writeHead(status, { location: '/mcp/' }).end()
    })
    const client = await connect({ url, headers: { Authorization: 'Bearer x' } })
    expect((await client.ask(1, 'tools/list')).result).toEqual({ path: '/mcp/', method: 'tools/list' })
    await client.ask(2, 'tools/list')
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer x', 'Bearer x'])
    // Only the permanent one is remembered.
    expect(redirected).toBe(status === 307 ? 2 : 1)
  })

  test('another origin gets nothing, and the sentence names it without its secrets', async () => {
    const seen: Posted[] = []
    const other = await serve(echo(seen))
    const { url } = await serve((_request, response) => response.writeHead(307, { location: `http://u:secret@127.0.0.1:${other.port}/elsewhere?key=secret` }).end())
    const failure = await errorOf((await connect({ url, headers: { Authorization: 'Bearer x' } })).ask(1, 'tools/list'))
    expect(failure).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN', data: { status: 307 } })
    expect(failure.message).toContain(`http://127.0.0.1:${other.port}/elsewhere`)
    expect(failure.message).toContain('another origin')
    expect(failure.message).not.toContain('secret')
    expect(seen).toEqual([])
  })

  test.each([
    [301, '/mcp/', 'GET'],
    [302, '/mcp/', 'GET'],
    [303, '/mcp/', 'GET'],
    [307, '/mcp', 'circles'],
    [307, 'ftp://127.0.0.1/', 'another origin'],
    [307, 'http://[', 'another origin']
  ])('HTTP %i to %s is not followed', async (status, location, words) => {
    const methods: unknown[] = []
    const { url } = await serve((request, response) => {
      methods.push(request.method)
      if (methods.length > 20) return void response.destroy()
      response.writeHead(status, { location }).end()
    })
    const failure = await errorOf((await connect({ url })).ask(1, 'tools/list'))
    expect(failure).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
    expect(failure.message).toContain(words)
    expect(methods.every((method) => method === 'POST')).toBe(true)
    expect(methods.length).toBeLessThanOrEqual(4)
  })
})

describe('kept connections', () => {
  /** Answers the first request of each connection and cuts it at the second, as a server does that closes while we write. */
  async function cutting(): Promise<{ url: string; connections(): number }> {
    let count = 0
    const server = createNetServer((socket) => {
      count += 1
      let requests = 0
      socket.on('error', () => {})
      socket.on('data', (data: Buffer) => {
        const body = data.toString().split('\r\n\r\n')[1] ?? ''
        if ((requests += 1) > 1) return void socket.resetAndDestroy()
        const answer = JSON.stringify({ jsonrpc: '2.0', id: (JSON.parse(body) as { id: number }).id, result: {} })
        socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanup(() => server.close())
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, connections: () => count }
  }

  test('a request that only reads is tried again on a new one', async () => {
    const { url, connections } = await cutting()
    const client = await connect({ url })
    await client.ask(1, 'tools/list')
    expect((await client.ask(2, 'tools/list')).result).toEqual({})
    expect(connections()).toBe(2)
  })

  test('a call is not: it may have run', async () => {
    const { url, connections } = await cutting()
    const client = await connect({ url })
    await client.ask(1, 'tools/list')
    expect(await errorOf(client.ask(2, 'tools/call', { name: 'x' }))).toMatchObject({ code: 'SKEIN_OUTCOME_UNKNOWN' })
    expect(connections()).toBe(1)
    expect(client.closes).toEqual([])
  })
})

/** A proxy for both ways: CONNECT, and requests with a whole URL. Every name leads to 127.0.0.1. */
async function proxy(options: { authorization?: string; refuse?: boolean } = {}): Promise<Listening & { asked: string[]; open(): number }> {
  const asked: string[] = []
  let open = 0
  const allowed = (given: string | undefined) => options.authorization === undefined || given === options.authorization
  const listening = await serve((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    if (options.refuse || !allowed(request.headers['proxy-authorization'])) return void response.writeHead(407).end()
    const { port, pathname } = new URL(request.url as string)
    const through = connectSocket(Number(port), '127.0.0.1', () => {
      through.write(`POST ${pathname} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n`)
      request.on('data', (chunk: Buffer) => through.write(`${chunk.length.toString(16)}\r\n${chunk.toString('latin1')}\r\n`, 'latin1'))
      request.on('end', () => through.write('0\r\n\r\n'))
      through.pipe(response.socket as NonNullable<typeof response.socket>)
    })
  })
  listening.server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`)
    socket.on('error', () => {})
    if (options.refuse || !allowed(request.headers['proxy-authorization'])) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const through = connectSocket(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      through.pipe(socket).pipe(through)
    })
    open += 1
    through.on('error', () => socket.destroy())
    socket.on('close', () => {
      open -= 1
      through.destroy()
    })
    cleanup(() => socket.destroy())
  })
  return { ...listening, asked, open: () => open }
}
const at = ({ port }: Listening) => `http://127.0.0.1:${port}`

describe('proxies', () => {
  test('the one of the entry is used, with its user and password', async () => {
    const { port } = await serve(echo())
    const way = await proxy({ authorization: `Basic ${Buffer.from('u:p').toString('base64')}` })
    const client = await connect({ url: `http://tools.test:${port}/mcp`, proxy: `http://u:p@127.0.0.1:${way.port}` })
    expect((await client.ask(1, 'tools/list')).result).toMatchObject({ path: '/mcp' })
    expect(way.asked).toEqual([`POST http://tools.test:${port}/mcp`])
  })

  test('the one of the environment is used, except for what NO_PROXY names, for this machine, and where the entry says direct', async () => {
    const { url, port } = await serve(echo())
    const way = await proxy()
    const env = { http_proxy: at(way), NO_PROXY: '.internal.test' }
    await (await connect({ url: `http://tools.test:${port}/mcp` }, env)).ask(1, 'tools/list')
    expect(way.asked).toHaveLength(1)
    await (await connect({ url }, env)).ask(1, 'tools/list')
    for (const target of [{ url: `http://tools.internal.test:${port}/mcp` }, { url: `http://tools.test:${port}/mcp`, proxy: 'direct' }]) {
      const failure = await errorOf((await connect(target, env)).ask(1, 'tools/list'))
      expect(failure.message).toMatch(/ENOTFOUND|EAI_AGAIN/)
    }
    expect(way.asked).toHaveLength(1)
  })

  test('one that refuses, and one that is not there: not run, and the sentence says where to look', async () => {
    const way = await proxy({ refuse: true })
    const refused = await errorOf((await connect({ url: 'https://tools.test/mcp', proxy: at(way) })).ask(1, 'tools/call'))
    expect(refused).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
    expect(refused.message).toContain('proxy')
    const client = await connect({ url: 'https://tools.test/mcp', proxy: 'http://127.0.0.1:1' })
    const absent = await errorOf(client.ask(1, 'tools/call'))
    expect(absent).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
    expect(absent.message).toContain('ECONNREFUSED')
  })

  test.each(['socks5://127.0.0.1:1', 'nonsense'])('%s in the environment is a mistake of the configuration', async (value) => {
    expect(await errorOf(connect({ url: 'https://tools.test/mcp' }, { HTTPS_PROXY: value }))).toMatchObject({ code: 'SKEIN_CONFIG' })
  })
})

const openssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('openssl is not installed: the tests of ca_file are SKIPPED')
    return false
  }
})()

describe.skipIf(!openssl)('an authority of one’s own', () => {
  let directory: string
  let tls: { cert: string; key: string }
  const file = (name: string) => join(directory, name)
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'skein-ca-'))
    const run = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' })
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    run('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test authority')
    run('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=tools.test')
    writeFileSync(file('names'), 'subjectAltName=DNS:tools.test,IP:127.0.0.1')
    run('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.pem', '-days', '2', '-extfile', 'names')
    tls = { cert: readFileSync(file('server.pem'), 'utf8'), key: readFileSync(file('server.key'), 'utf8') }
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test('is believed when the entry names it, also through a tunnel, and otherwise nothing is sent', async () => {
    const seen: Posted[] = []
    const { url, port } = await serve(echo(seen), tls)
    const failure = await errorOf((await connect({ url })).ask(1, 'tools/call'))
    expect(failure).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
    expect(failure.message).toContain('ca_file')
    expect(seen).toEqual([])
    const caFile = file('ca.pem')
    const client = await connect({ url, caFile })
    expect((await client.ask(1, 'tools/list')).result).toMatchObject({ path: '/mcp' })
    expect((await client.ask(2, 'tools/list')).result).toMatchObject({ path: '/mcp' })

    const way = await proxy()
    const tunnelled = await connect({ url: `https://tools.test:${port}/mcp`, caFile, proxy: at(way) })
    expect((await tunnelled.ask(1, 'tools/list')).result).toMatchObject({ path: '/mcp' })
    expect(way.asked).toEqual([`CONNECT tools.test:${port}`])
    const distrusting = await connect({ url: `https://tools.test:${port}/mcp`, proxy: at(way) })
    expect(await errorOf(distrusting.ask(1, 'tools/call'))).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
    // The name in the certificate counts, not only who signed it.
    const misnamed = await connect({ url: `https://other.test:${port}/mcp`, caFile, proxy: at(way) })
    expect(await errorOf(misnamed.ask(1, 'tools/call'))).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
    expect(seen.map(({ message }) => message?.method)).toEqual(['tools/list', 'tools/list', 'tools/list'])
    await waitUntil('refused tunnels are closed', () => way.open() === 1)
    await tunnelled.transport.close()
    await waitUntil('all tunnels are closed', () => way.open() === 0)
  })

  test.each([
    ['ca.key', 'no certificate'],
    ['absent.pem', 'cannot be read'],
    ['.', 'cannot be read']
  ])('a ca_file that is %s is named with what is wrong', async (name, words) => {
    const failure = await errorOf(connect({ url: 'https://tools.test/mcp', caFile: file(name) }))
    expect(failure).toMatchObject({ code: 'SKEIN_CONFIG' })
    expect(failure.message).toContain('mcp.servers.remote.ca_file')
    expect(failure.message).toContain(words)
  })
})
