import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeToken, ROOT, startSkein, type CliResult, type SkeinProcess } from '../support/skein-process.ts'

const FOLDER = join(ROOT, 'test/standalone')

/** One run of the client; `called` is told when it has its answer and waits. */
function runClient(token: string, args: string[], called = () => {}): Promise<CliResult> {
  const child = spawn(process.execPath, [join(FOLDER, 'client.mjs'), ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    if (stderr.includes('waiting')) called()
  })
  child.stdin.end(token)
  return new Promise((done, fail) => {
    child.once('error', fail)
    child.once('close', (code) => done({ code, stdout, stderr }))
  })
}

test('the client imports nothing of ours but its own files', () => {
  const files = readdirSync(FOLDER)
  expect(files.length).toBeGreaterThan(3)
  const allowed = /^(node:[\w/]+|cborg|libp2p|@libp2p\/[\w/]+|@multiformats\/multiaddr|\.\/\w+\.mjs)$/
  for (const file of files) {
    const source = readFileSync(join(FOLDER, file), 'utf8')
    const imported = [...source.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)['"]([^'"]+)['"]/g)].map((match) => match[1])
    expect(imported.filter((name) => name === undefined || !allowed.test(name)), file).toEqual([])
    for (const local of imported.filter((name) => name?.startsWith('./') === true)) expect(files).toContain(local?.slice(2))
    expect(source, file).not.toMatch(/\bimport\s*\(|createRequire|src\//)
  }
})

describe('a client written from the pages alone', () => {
  let node: SkeinProcess
  beforeAll(async () => {
    const server = { command: process.execPath, args: [join(ROOT, 'test/fixtures/echo-server.ts')] }
    node = await startSkein({ config: { node: { id: 'a' }, mcp: { graph: { enabled: false }, servers: { echo: server } } } })
  })
  afterAll(() => node?.dispose())

  for (const opens of ['us', 'them']) {
    test(`joins, reads the catalog and calls a tool (the stream is opened by ${opens})`, async () => {
      const args = ['--server', 'echo', '--tool', 'slow', '--arguments', '{"steps":3,"ms":5}', '--opens', opens]
      const { code, stdout, stderr } = await runClient(await makeToken(node), args)
      expect(code, stderr + stdout).toBe(0)
      const seen = JSON.parse(stdout)
      expect(seen.opener).toBe(opens)
      expect(seen.peer).toBe(node.status().peer)
      expect(seen.self < seen.peer).toBe(opens === 'us')
      expect(seen.echo.same).toBe(true)
      expect(seen.record).toMatchObject({ peer: seen.peer, name: 'a', servers: ['echo'] })
      expect(seen.definition).toMatchObject({ name: 'slow', inputSchema: { type: 'object' } })
      expect(seen.messages.map((message: any) => message.params)).toMatchObject([1, 2, 3].map((progress) => ({ progressToken: 'p1', progress })))
      expect(seen.called).toMatchObject({ result: { content: [{ type: 'text', text: 'done 3' }] } })
      expect(seen.seen.credits).toBeGreaterThan(0)
      expect(seen.seen.rtt).toBeGreaterThan(0)
      expect(seen.seen.pings).toBeGreaterThan(0)
    })
  }

  test('answers what the server asks of its client with a second try', async () => {
    const { code, stdout, stderr } = await runClient(await makeToken(node), ['--server', 'echo', '--tool', 'sample', '--arguments', '{"prompt":"?"}'])
    expect(code, stderr).toBe(0)
    const { questions, called } = JSON.parse(stdout)
    expect(questions).toMatchObject([{ method: 'sampling/createMessage', params: { maxTokens: 10 } }])
    expect(called.result.content[0].text).toContain('forty-two')
  })

  test('a token that is used up is refused with its number', async () => {
    const token = await makeToken(node, { uses: 1 })
    const args = ['--server', 'echo', '--tool', 'echo', '--arguments', '{"text":"hi"}']
    expect((await runClient(token, args)).code).toBe(0)
    const { code, stdout, stderr } = await runClient(token, args)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^join was refused: .*\(36\)\n$/)
  })

  test('a body of several windows comes whole', async () => {
    const { code, stdout, stderr } = await runClient(await makeToken(node), ['--server', 'echo', '--tool', 'big', '--arguments', '{"bytes":2000000}'])
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout).called.result.content[0].text.length).toBe(2_000_000)
  })
  // The last one: it ends the node.
  test('a node that leaves says GOAWAY, and what runs still finishes', async () => {
    const token = await makeToken(node)
    const leave = () => void node.kill('SIGTERM')
    const { code, stdout, stderr } = await runClient(token, ['--server', 'echo', '--tool', 'echo', '--arguments', '{"text":"hi"}', '--until-goaway'], leave)
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout).seen.goaway).toBe(1)
  })
})
