import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { removeTemporaryDirs, startControlNode, temporaryDir } from '../../support/control-node.ts'
import type { ControlNode } from '../../support/control-node.ts'
import { runCommand } from '../../support/run-command.ts'

const nodes: ControlNode[] = []
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop()
  await removeTemporaryDirs()
})

async function start(options: Parameters<typeof startControlNode>[0] = {}) {
  const node = await startControlNode(options)
  nodes.push(node)
  const run = (argv: string[], options: Parameters<typeof runCommand>[1] = {}) => runCommand([...argv, '--data-dir', node.dataDir], options)
  return { ...node, run }
}

describe('questions to a running node, as text and as JSON', () => {
  test.each([
    [['status'], /alpha \(12D3KooWA\)[^]*up 1h 2m[^]*graph +ready[^]*! server memory is down/, { name: 'alpha', peers: 1 }],
    [['peers'], /beta +connected[^]*12\.4 ms[^]*gamma +known[^]*refused/, [{ name: 'beta' }, { name: 'gamma' }]],
    [['tools', 'ls'], /NAME +AT +DESCRIPTION\ngraph__echo +here, beta \(12 ms\) +Says it back\./, [{ name: 'graph__echo' }]],
    [['tools', 'show', 'graph__echo'], /repeatable +yes[^]*Says it back\.[^]*"type": "object"/, { definition: { inputSchema: { type: 'object' } } }],
    [['tools', 'search', 'says', 'back', '--limit', '1'], /NAME +HERE +NODES +DESCRIPTION\ngraph__echo +found +3 +Says it back\.\n6 more: use more precise words, or --limit\./, { tools: [{ name: 'graph__echo' }], total: 7 }],
    [['tools', 'search', 'half'], /6 more: [^\n]*\nParts of the federation did not answer, so there may be more: search again in a moment\./, { partial: true }],
    [['route', 'explain', 'graph__echo'], /PROVIDER[^]*alpha \(here\) +good[^]*chosen\nbeta +good +12\.4 ms measured[^]*12\.4 ms longer[^]*goes to alpha: this node itself/, { choice: { why: 'local' }, candidates: [{ name: 'alpha' }, { name: 'beta' }] }],
    [['topology'], /NODE +TIER[^]*alpha \(self\) +global +eu +hub +alive +25 %[^]*├─ beta +regional +us +hub +draining +0 % +12\.4 ms +1[^]*│ {2}└─ 3 more[^]*└─ 12D3KooWC +leaf +- +member +dead/, { tiered: true, nodes: [{ name: 'alpha', children: [{ name: 'beta' }, {}] }] }],
    [['consensus', 'ls'], /pool +root \(global\)\nhub +alpha; token 4, 15 s\nvoters +alpha \(self\), beta, gamma \(dead\); list 3\n[^]*! 3 of 3 votes[^]*setting\/max_tools +2000 +1\n[^]*setting\/max_tools +root +change +expired +2\/3/, { groups: [{ pool: 'root' }], proposals: [{ state: 'expired' }] }],
    [['consensus', 'propose', 'setting/max_tools', '2000'], /^setting\/max_tools was put to the vote\.\n$/, { outcome: 'decided', version: 2 }],
    [['token', 'ls'], /t1 +1\/3 +1970-01-02/, [{ id: 't1' }]],
    [['token', 'create'], /skein1abc[^]*one node[^]*On the other machine:\n {2}npx skein join skein1abc/, { token: 'skein1abc' }],
    [['reload'], /attached +files[^]*after restart +network\.http_port/, { attached: ['files'] }]
  ])('%j', async (argv, text, json) => {
    const { run } = await start()
    const plain = await run(argv)
    expect(plain).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(text) })
    const machine = await run([...argv, '--json'])
    expect(machine).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(machine.stdout)).toMatchObject(json)
  })

  test('SKEIN_DATA_DIR names the node too', async () => {
    const node = await start()
    const { code, stdout } = await runCommand(['peers'], { io: { env: { SKEIN_DATA_DIR: node.dataDir } } })
    expect([code, stdout]).toEqual([0, expect.stringMatching(/beta/)])
  })

  test('a node elsewhere is found through its run file', async () => {
    const parent = await temporaryDir()
    const dataDir = join(parent, 'n'.repeat(120))
    await mkdir(dataDir)
    const { run } = await start({ dataDir })
    expect((await run(['status'])).code).toBe(0)
  })
})

describe('skein topology and skein consensus', () => {
  test('hand their options over', async () => {
    const { run, api } = await start()
    await run(['topology', '--depth', '2'])
    await run(['consensus', 'propose', 'ban/12D3KooWB', 'its key was stolen', '--expect', '3'])
    expect(api.asked).toEqual([
      { what: 'topology', input: { depth: 2 } },
      { what: 'propose', input: { key: 'ban/12D3KooWB', value: 'its key was stolen', expect: 3 } }
    ])
  })

  test('none takes it back; what was not decided is code 1', async () => {
    const { run, api } = await start()
    expect(await run(['consensus', 'propose', 'setting/max_tools', 'none'])).toMatchObject({ code: 1, stdout: 'setting/max_tools was put to the vote.\n' })
    expect(api.asked).toEqual([{ what: 'propose', input: { key: 'setting/max_tools', value: null, expect: undefined } }])
  })
})

describe('skein token create', () => {
  test('hands its options over in the units of the node', async () => {
    const { run, api } = await start()
    expect((await run(['token', 'create', '--expires', '2h', '--uses', '5', '--tier', 'leaf', '--region', 'eu', '--role', 'a', '--role', 'b'])).code).toBe(0)
    expect(api.asked).toEqual([{ what: 'createToken', input: { expires: 7200, uses: 5, tier: 'leaf', region: 'eu', roles: ['a', 'b'] } }])
  })

  test('refused is code 4', async () => {
    const { run } = await start()
    expect(await run(['token', 'create', '--tier', 'global'])).toMatchObject({ code: 4, stdout: '', stderr: expect.stringMatching(/may not issue.*\[SKEIN_NOT_ADMITTED\]/) })
  })
})

describe('skein call', () => {
  test.each([
    ['the command line', ['{"a":1}'], ''],
    ['standard input', ['-'], '{"a":1}']
  ])('arguments from %s', async (_where, argv, stdin) => {
    const { run, api } = await start()
    expect(await run(['call', 'graph__echo', ...argv, '--timeout', '2s'], { stdin })).toEqual({ code: 0, stdout: '{"a":1}\n', stderr: '' })
    expect(api.asked).toEqual([{ what: 'call', input: { name: 'graph__echo', args: { a: 1 }, timeout: 2000 } }])
  })

  test('arguments from a file, relative to the working directory', async () => {
    const { run, dataDir } = await start()
    await writeFile(join(dataDir, 'args.json'), '{"b":2}')
    expect((await run(['call', 'graph__echo', '@args.json'], { io: { cwd: dataDir } })).stdout).toBe('{"b":2}\n')
  })

  test.each<[string, string[], RegExp]>([
    ['text', [], /^correlation c1\nPROVIDER[^]*\nbeta +direct [^]*12\.4 ms +13\.0 ms +ok\n$/],
    ['JSON', ['--json'], /^\{"trace":\{"correlation":"c1"[^\n]*\}\n$/]
  ])('--trace writes where it went to standard error, as %s', async (_, argv, stderr) => {
    const { run } = await start()
    expect(await run(['call', 'graph__echo', '{"a":1}', '--trace', ...argv])).toMatchObject({ code: 0, stderr: expect.stringMatching(stderr) })
  })

  test('--json prints the result as the server sent it', async () => {
    const { run } = await start()
    expect(JSON.parse((await run(['call', 'graph__echo', '--json'])).stdout)).toEqual({ content: [{ type: 'text', text: '{}' }] })
  })

  test('content that is no text is described', async () => {
    const { run, api } = await start()
    api.onCall(async () => ({
      content: [
        { type: 'image', mimeType: 'image/png', data: 'AAAA' },
        { type: 'resource', resource: { uri: 'graph://1', mimeType: 'text/plain', text: 'inside' } },
        { type: 'resource_link', uri: 'graph://2' }
      ]
    }))
    expect((await run(['call', 'graph__echo'])).stdout).toBe('[image, image/png, 3 bytes]\ninside\n[resource_link, graph://2]\n')
  })

  test('a tool that reports an error is code 1, its words on standard output', async () => {
    const { run, api } = await start()
    api.onCall(async () => ({ content: [{ type: 'text', text: 'no such graph' }], isError: true }))
    expect(await run(['call', 'graph__echo'])).toMatchObject({ code: 1, stdout: 'no such graph\n', stderr: expect.stringMatching(/reported an error/) })
    expect((await run(['call', 'graph__echo', '--json'])).code).toBe(1)
  })

  test('an error of the node is its sentence and code', async () => {
    const { run, api } = await start()
    expect(await run(['call', 'no__tool'])).toEqual({ code: 1, stdout: '', stderr: 'skein: There is no tool no__tool. [SKEIN_NOT_FOUND]\n' })
    api.onCall(async () => {
      throw new SkeinError('SKEIN_OUTCOME_UNKNOWN', 'It may have run.', { data: { at: 'beta' } })
    })
    const { code, stderr } = await run(['call', 'graph__echo', '--json'])
    expect([code, JSON.parse(stderr)]).toEqual([1, { error: { code: 'SKEIN_OUTCOME_UNKNOWN', message: 'It may have run.', data: { at: 'beta' } } }])
  })

  test('a large result arrives whole', async () => {
    const { run, api } = await start()
    const text = 'é'.repeat(3_000_000)
    api.onCall(async () => ({ content: [{ type: 'text', text }] }))
    expect((await run(['call', 'graph__echo'])).stdout).toBe(`${text}\n`)
  })

  test('a node that dies in the middle is an error, not success', async () => {
    const { run, api, stop } = await start()
    api.onCall(async () => {
      void stop()
      return await new Promise(() => {})
    })
    expect(await run(['call', 'graph__echo'])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/\[SKEIN_SESSION_CLOSED\]/) })
  })
})

describe('skein net test', () => {
  test('prints its steps; code 1 when one fails', async () => {
    const { run } = await start()
    expect(await run(['net', 'test', '/ip4/192.0.2.1/tcp/1'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok +parse[^]*\nok +dial/) })
    expect(await run(['net', 'test', '/ip4/192.0.2.9/tcp/1'])).toMatchObject({ code: 1, stdout: expect.stringMatching(/FAIL +dial .*refused/) })
    const { code, stdout } = await run(['net', 'test', '/ip4/192.0.2.9/tcp/1', '--json'])
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { ok: false, steps: [{ step: 'parse', ok: true }, { step: 'dial', ok: false }] }])
  })
})

describe('skein stop', () => {
  test('tells the node and returns', async () => {
    const { run, api } = await start()
    expect(await run(['stop'])).toEqual({ code: 0, stdout: 'The node is stopping.\n', stderr: '' })
    expect(api.asked).toEqual([{ what: 'stop', input: {} }])
  })

  test('--wait returns when nobody answers any more', async () => {
    const { run } = await start()
    expect(await run(['stop', '--wait'])).toMatchObject({ code: 0, stdout: 'The node has stopped.\n' })
    expect((await run(['status'])).code).toBe(3)
  })

  test('--wait gives up in time', async () => {
    const { run, api } = await start()
    api.onStop(async () => {})
    expect(await run(['stop', '--wait', '--timeout', '50ms'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/still stopping.*\[SKEIN_DEADLINE\]/) })
  })
})

describe('skein mcp', () => {
  test('carries bytes both ways to the server it names', async () => {
    const seen: unknown[] = []
    const { run } = await start({
      acceptMcp(req, socket, head) {
        seen.push(req.url)
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: skein-mcp\r\n\r\n')
        if (head.length > 0) socket.unshift(head)
        socket.on('data', (chunk) => socket.write(String(chunk).toUpperCase())).on('end', () => socket.end())
      }
    })
    expect(await run(['mcp', '--server', 'files'], { stdin: '{"a":1}\n' })).toMatchObject({ code: 0, stdout: '{"A":1}\n' })
    expect(seen).toEqual(['/mcp/files'])
  })

  test('without a node: code 3', async () => {
    const { code, stderr } = await runCommand(['mcp', '--data-dir', await temporaryDir()])
    expect([code, stderr]).toEqual([3, expect.stringMatching(/^skein: No node is running/)])
  })
})

describe('no node', () => {
  test.each([[['status']], [['peers']], [['topology']], [['consensus', 'ls']], [['tools', 'ls']], [['tools', 'show', 'x']], [['call', 'x']], [['token', 'ls']], [['token', 'create']], [['net', 'test', '/x']], [['reload']], [['stop']]])(
    '%j: code 3 and what to do',
    async (argv) => {
      const dataDir = await temporaryDir()
      const { code, stderr } = await runCommand([...argv, '--data-dir', dataDir])
      expect([code, stderr]).toEqual([3, `skein: No node is running in ${dataDir}. Start one with \`skein start\`, or name its directory with --data-dir. [SKEIN_NOT_RUNNING]\n`])
    }
  )
})
