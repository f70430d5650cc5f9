import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { runCommand } from '../../support/run-command.ts'

describe('mistakes on the command line', () => {
  test.each([
    [['statsu'], /Unknown command 'statsu'\. Did you mean status\?/],
    [['token', 'creat'], /Did you mean create\?/],
    [['status', '--jsn'], /Unknown option '--jsn'\. Did you mean --json\?/],
    [['call'], /Missing required argument 'name'/],
    [['join', 'a', 'b'], /Too many arguments/],
    [['start', '--http-port', '99999'], /--http-port wants a whole number from 0 to 65535/],
    [['token', 'create', '--expires', 'soon'], /--expires wants a duration/],
    [['token', 'create', '--uses', '0'], /--uses wants a whole number/],
    [['topology', '--depth', 'all'], /--depth wants a whole number from 0 to 6/],
    [['consensus', 'propose', 'setting/max_tools', 'many'], /<value> of a setting wants a whole number, or none/],
    [['call', 'a__b', '{'], /not JSON/],
    [['call', 'a__b', '--timeout', '-3'], /timeout/]
  ])('%j: one sentence, code 2', async (argv, message) => {
    const { code, stdout, stderr } = await runCommand(argv)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/^skein: .* \[SKEIN_USAGE\]\n$/)
  })

  test('--json makes the error JSON', async () => {
    const { code, stderr } = await runCommand(['call', 'a__b', '[]', '--json'])
    expect(code).toBe(2)
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'SKEIN_USAGE' } })
  })

  test('a group alone shows its commands, code 2; help is code 0 and tells the exit codes', async () => {
    const alone = await runCommand(['token'])
    expect(alone.code).toBe(2)
    expect(alone.stderr).toMatch(/create[^]*ls/)
    const help = await runCommand(['call', '--help'])
    expect(help.code).toBe(0)
    expect(help.stdout).toMatch(/Exit codes:[^]*3 {2}no node is running/)
  })

  test('--version', async () => expect(await runCommand(['--version'])).toEqual({ code: 0, stdout: '9.9.9\n', stderr: '' }))
})

describe('exit codes of failures', () => {
  test.each([
    ['SKEIN_CONFIG', 5],
    ['SKEIN_PORT_IN_USE', 5],
    ['SKEIN_KEY_FILE', 5],
    ['SKEIN_TOKEN_EXPIRED', 4],
    ['SKEIN_ALREADY_RUNNING', 1]
  ] as const)('%s is %i', async (errorCode, exit) => {
    const startNode = async () => {
      throw new SkeinError(errorCode, 'It does not work; do this.')
    }
    const { code, stderr } = await runCommand(['start'], { actions: { startNode } })
    expect(code).toBe(exit)
    expect(stderr).toBe(`skein: It does not work; do this. [${errorCode}]\n`)
  })

  test('a foreign error is a sentence too, without its stack', async () => {
    const { code, stderr } = await runCommand(['start'], {
      actions: {
        startNode: async () => {
          throw new TypeError('x is not a function')
        }
      }
    })
    expect(code).toBe(1)
    expect(stderr).toBe('skein: x is not a function [SKEIN_INTERNAL]\n')
  })
})

describe('commands that need no running node', () => {
  test('join hands over the token and says what comes next', async () => {
    const given: unknown[] = []
    const joinFederation = async (...args: unknown[]) => {
      given.push(args)
      return { federation: 'home', expires: 0 }
    }
    const { code, stdout } = await runCommand(['join', 'skein1abc', '--data-dir', 'd'], { actions: { joinFederation }, io: { cwd: '/w' } })
    expect(code).toBe(0)
    expect(given).toEqual([['/w/d', 'skein1abc']])
    expect(stdout).toMatch(/home.*\/w\/d[^]*skein start --data-dir d\n$/)
  })

  const configTools = async () => ({
    load: async ({ file }: { file?: string }) => ({ yaml: `node:\n  id: ${file}\n`, warnings: ['network.gossip_port is not used'] }),
    jsonSchema: () => ({ type: 'object' }),
    importServers: async (): Promise<never> => {
      throw new Error('not part of these tests')
    }
  })

  test('config validate prints warnings on standard error', async () => {
    const { code, stdout, stderr } = await runCommand(['config', 'validate', 'a.yaml'], { actions: { configTools } })
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'The configuration is valid.\n', stderr: 'skein: network.gossip_port is not used\n' })
  })

  test('config print as YAML and as JSON; --config names the file as well', async () => {
    expect((await runCommand(['config', 'print', '--config', 'b.yaml'], { actions: { configTools } })).stdout).toBe('node:\n  id: b.yaml\n')
    const json = await runCommand(['config', 'print', 'a.yaml', '--json'], { actions: { configTools } })
    expect(JSON.parse(json.stdout)).toEqual({ config: { node: { id: 'a.yaml' } }, warnings: ['network.gossip_port is not used'] })
  })

  test('config schema', async () => {
    expect(JSON.parse((await runCommand(['config', 'schema'], { actions: { configTools } })).stdout)).toEqual({ type: 'object' })
  })
})
