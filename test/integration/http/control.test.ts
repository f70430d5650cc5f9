import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { readRunFile, writeRunFile } from '../../../src/http/control/run-file.ts'
import type { MemberChange, MemberInfo } from '../../../src/node/api.ts'
import { MEMBERS } from '../../support/fake-node-api.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { removeTemporaryDirs, startControlNode, temporaryDir } from '../../support/control-node.ts'
import type { ControlNode } from '../../support/control-node.ts'

const nodes: ControlNode[] = []
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop()
  await removeTemporaryDirs()
})

async function start(options: Parameters<typeof startControlNode>[0] = {}): Promise<ControlNode> {
  const node = await startControlNode(options)
  nodes.push(node)
  return node
}

function ask(node: ControlNode, method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const req = request({ socketPath: node.socketPath, method, path, agent: false }, (res) => {
      let text = ''
      res.on('data', (chunk) => (text += String(chunk))).on('end', () => resolve({ status: res.statusCode ?? 0, text }))
    })
    req.on('error', reject)
    req.end(body)
  })
}

/** Leaves a socket file behind as a process killed with -9 does. */
function leaveStaleSocket(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
}

describe('the socket file', () => {
  test('is open to its user only, as is the run file; both go when the node stops', async () => {
    const node = await start()
    const mask = process.umask()
    expect((await stat(node.socketPath)).mode & 0o777).toBe(0o600)
    expect((await stat(join(node.dataDir, 'run.json'))).mode & 0o777).toBe(0o600)
    expect(process.umask()).toBe(mask)
    await node.api.stop()
    expect(await readdir(node.dataDir)).toEqual([])
  })

  test('of a dead node is replaced', async () => {
    const dataDir = await temporaryDir()
    leaveStaleSocket(join(dataDir, 'control.sock'))
    expect(existsSync(join(dataDir, 'control.sock'))).toBe(true)
    const node = await start({ dataDir })
    expect((await ask(node, 'GET', '/health')).status).toBe(200)
  })

  test('of a live node is respected', async () => {
    const node = await start()
    await expect(startControlNode({ dataDir: node.dataDir })).rejects.toMatchObject({ code: 'SKEIN_ALREADY_RUNNING' })
    expect((await ask(node, 'GET', '/health')).status).toBe(200)
  })

  test('is elsewhere when the path is too long for a socket, in a directory for this user only', async () => {
    const dataDir = join(await temporaryDir(), 'd'.repeat(120))
    await mkdir(dataDir, { recursive: true })
    const node = await start({ dataDir })
    expect(Buffer.byteLength(node.socketPath)).toBeLessThanOrEqual(100)
    expect((await stat(dirname(node.socketPath))).mode & 0o777).toBe(0o700)
    expect((await readRunFile(dataDir))?.controlSocket).toBe(node.socketPath)
    expect((await ask(node, 'GET', '/health')).status).toBe(200)
    await expect(startControlNode({ dataDir })).rejects.toMatchObject({ code: 'SKEIN_ALREADY_RUNNING' })
    await node.stop()
    expect(existsSync(dirname(node.socketPath))).toBe(false)
  })
})

describe('run.json', () => {
  test('is replaced whole and leaves no other file', async () => {
    const dataDir = await temporaryDir()
    const run = { pid: 1, version: '1', httpUrl: 'http://x', controlSocket: '/s', peer: 'p', addresses: [], started: 1 }
    await writeRunFile(dataDir, run)
    await writeRunFile(dataDir, { ...run, pid: 2 })
    expect(await readdir(dataDir)).toEqual(['run.json'])
    expect(JSON.parse(await readFile(join(dataDir, 'run.json'), 'utf8'))).toMatchObject({ pid: 2 })
  })

  test('that is damaged counts as none', async () => {
    const dataDir = await temporaryDir()
    await writeFile(join(dataDir, 'run.json'), '{"pid":')
    expect(await readRunFile(dataDir)).toBeUndefined()
  })
})

describe('requests', () => {
  test.each([
    ['GET', '/nothing', undefined, 404, /does not know GET \/nothing/],
    ['GET', '/tools/x__y', undefined, 404, /no tool x__y/],
    ['GET', '/tools/', undefined, 404, /does not know/],
    ['GET', '/tools/%E0%A4%A', undefined, 400, /not a valid URL/],
    ['DELETE', '/status', undefined, 404, /does not know DELETE/],
    ['POST', '/tools/search', '{}', 400, /"query" must be a text/],
    ['POST', '/tools/search', '{"query":"x","limit":0}', 400, /"limit" must be a whole number from 1 to 200/],
    ['POST', '/tokens', '{', 400, /not JSON/],
    ['POST', '/tokens', '[]', 400, /must be a JSON object/],
    ['POST', '/tokens', '{"use":3}', 400, /Unknown field "use"; allowed here: expires, uses/],
    ['POST', '/tokens', '{"uses":1.5}', 400, /"uses" must be a whole number/],
    ['POST', '/tokens', '{"expires":-1}', 400, /"expires" must be a number from/],
    ['POST', '/tokens', '{"tier":"big"}', 400, /"tier" must be one of/],
    ['POST', '/tokens', '{"roles":[1]}', 400, /"roles" must be a list of texts/],
    ['POST', '/tokens', '{"tier":"global"}', 403, /may not issue/],
    ['POST', '/call', '{}', 400, /"name" must be a text/],
    ['POST', '/call', '{"name":"a","arguments":[]}', 400, /"arguments" must be a JSON object/],
    ['POST', '/call', '{"name":"a","timeout":"1"}', 400, /"timeout" must be a number/],
    ['POST', '/members/watch', '{"since":1}', 400, /Unknown field "since"/],
    ['GET', '/members/watch', undefined, 404, /does not know/],
    ['POST', '/net-test', '{"address":""}', 400, /"address" must be a text/],
    ['POST', '/topology', '{"depth":7}', 400, /"depth" must be a whole number from 0 to 6/],
    ['POST', '/topology', '{"levels":1}', 400, /Unknown field "levels"/],
    ['GET', '/topology', undefined, 404, /does not know/],
    ['POST', '/consensus/propose', '{"value":1}', 400, /"key" must be a text/],
    ['POST', '/consensus/propose', '{"key":"setting/max_tools"}', 400, /"value" is missing/],
    ['POST', '/consensus/propose', `{"key":"${'x'.repeat(129)}","value":1}`, 400, /at most 128 characters/],
    ['POST', '/consensus/propose', '{"key":"a","value":1,"expect":-1}', 400, /"expect" must be a whole number/]
  ])('%s %s %s is %i', async (method, path, body, status, message) => {
    const answer = await ask(await start(), method, path, body)
    expect(answer.status).toBe(status)
    expect((JSON.parse(answer.text) as { error: { message: string } }).error.message).toMatch(message)
  })

  test('a body without end is cut off', async () => {
    const node = await start()
    const status = await new Promise((resolve, reject) => {
      const req = request({ socketPath: node.socketPath, method: 'POST', path: '/call', agent: false }, (res) => {
        res.resume()
        resolve(res.statusCode)
      })
      req.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' || error.code === 'ECONNRESET' ? undefined : reject(error)))
      const more = () => {
        while (!req.destroyed && req.write(Buffer.alloc(64 * 1024, 32)));
      }
      req.on('drain', more)
      more()
    })
    expect(status).toBe(413)
  })

  test('a call streams progress before its result, one object a line', async () => {
    const node = await start()
    node.api.onCall(async (_name, _args, { onProgress }) => {
      onProgress?.({ progress: 1, total: 2 })
      onProgress?.({ progress: 2, total: 2, message: 'half\nway' })
      return { content: [] }
    })
    const { status, text } = await ask(node, 'POST', '/call', '{"name":"graph__echo"}')
    expect(status).toBe(200)
    expect(text.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([
      { progress: { progress: 1, total: 2 } },
      { progress: { progress: 2, total: 2, message: 'half\nway' } },
      { result: { content: [] } }
    ])
  })

  test('a caller that goes away cancels its call', async () => {
    const node = await start()
    const aborted = new Promise<void>((resolve) => {
      node.api.onCall((_name, _args, { signal }) => {
        req.destroy()
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            resolve()
            reject(signal.reason)
          })
        )
      })
    })
    const req = request({ socketPath: node.socketPath, method: 'POST', path: '/call', agent: false })
    req.on('error', () => {})
    req.end('{"name":"graph__echo"}')
    await aborted
  })

  test('a reader that does not read costs bounded memory, and still gets its result', async () => {
    const node = await start()
    let offered = 0
    node.api.onCall(async (_name, _args, { onProgress }) => {
      const message = 'x'.repeat(10_000)
      for (let progress = 0; progress < 2_000; progress++) {
        onProgress?.({ progress, message })
        offered += message.length
      }
      return { content: [] }
    })
    const { text } = await ask(node, 'POST', '/call', '{"name":"graph__echo"}')
    expect(offered).toBe(20_000_000)
    expect(text.length).toBeLessThan(4_000_000)
    expect(text.trimEnd().split('\n').at(-1)).toBe('{"result":{"content":[]}}')
  })
})

describe('POST /members/watch', () => {
  test('a reader that did not keep up is told of everyone again, and memory stays bounded', async () => {
    const node = await start()
    const lines: Record<string, unknown>[] = []
    const res = await new Promise<IncomingMessage>((resolve, reject) => {
      const req = request({ socketPath: node.socketPath, method: 'POST', path: '/members/watch', agent: false }, resolve)
      req.on('error', reject).end()
    })
    await waitUntil('the node tells changes', () => node.api.memberListeners() === 1)
    const change: MemberChange = { type: 'updated', time: 1, member: { ...(MEMBERS[1] as MemberInfo), version: 'x'.repeat(10_000) } }
    const sent = 1_000
    for (let count = 0; count < sent; count++) node.api.changeMember(change)
    let rest = ''
    res.on('data', (chunk) => {
      const parts = (rest + String(chunk)).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) lines.push(JSON.parse(part) as Record<string, unknown>)
    })
    const idle = async () => {
      const before = lines.length
      await new Promise((resolve) => setTimeout(resolve, 100))
      return lines.length === before && before > 1
    }
    await waitUntil('all that was kept has arrived', idle)
    expect(lines.length).toBeLessThan(sent / 2)
    expect(lines.filter((line) => 'members' in line)).toEqual([{ members: MEMBERS }])
    node.api.changeMember(change)
    node.api.changeMember(change)
    await waitUntil('the next changes arrive', () => 'members' in (lines.at(-2) ?? {}))
    expect(lines.slice(-2)).toEqual([{ members: MEMBERS }, { change }])
    res.destroy()
    await waitUntil('the node forgets the reader', () => node.api.memberListeners() === 0)
  })
})

describe('Upgrade: skein-mcp', () => {
  function upgrade(node: ControlNode, path: string, protocol: string): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(node.socketPath)
      let text = ''
      socket.on('data', (chunk) => (text += String(chunk))).on('close', () => resolve(text))
      socket.write(`GET ${path} HTTP/1.1\r\nhost: skein\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n\r\nfirst`)
    })
  }

  test('hands the socket over, with what came with the request', async () => {
    const node = await start({ acceptMcp: (req, socket, head) => void socket.end(`${req.url} ${String(head)}`) })
    expect(await upgrade(node, '/mcp/files', 'skein-mcp')).toBe('/mcp/files first')
  })

  test.each([
    ['/mcp', 'websocket'],
    ['/status', 'skein-mcp']
  ])('%s with %s is refused', async (path, protocol) => {
    const node = await start({ acceptMcp: (_req, socket) => void socket.end('accepted') })
    expect(await upgrade(node, path, protocol)).toMatch(/^HTTP\/1\.1 404/)
  })
})
