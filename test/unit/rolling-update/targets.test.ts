import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { commandOf, localTargets, readTargets } from '../../../scripts/rolling-update/targets.ts'
import { temporaryDirectory, write } from '../config/files.ts'

const directory = temporaryDirectory()

describe('the list of nodes', () => {
  test('JSON and YAML say the same; a token comes from a file or a variable', async () => {
    const token = write(directory, 'token', 'secret-a\n')
    process.env['ROLLING_TEST_TOKEN'] = 'secret-b'
    const list = [
      { url: 'http://10.0.0.1:8080', token_file: token, restart: 'start {name}' },
      { url: 'https://10.0.0.2', token_env: 'ROLLING_TEST_TOKEN' }
    ]
    const yaml = `- url: http://10.0.0.1:8080\n  token_file: ${token}\n  restart: start {name}\n- url: https://10.0.0.2\n  token_env: ROLLING_TEST_TOKEN\n`
    for (const path of [write(directory, 'nodes.json', JSON.stringify(list)), write(directory, 'nodes.yaml', yaml)]) {
      const targets = await readTargets(path, 'all {url}')
      expect(targets.map((target) => target.locate())).toEqual([{ url: 'http://10.0.0.1:8080', token: 'secret-a' }, { url: 'https://10.0.0.2', token: 'secret-b' }])
      expect(targets.map(({ restart }) => restart)).toEqual(['start {name}', 'all {url}'])
    }
    delete process.env['ROLLING_TEST_TOKEN']
  })

  test.each([
    ['no list', '{}', /must be a list of nodes/],
    ['an empty one', '[]', /must be a list of nodes/],
    ['no object', '[7]', /node 1 of the list must be an object/],
    ['a misspelt field', '[{"data_dir":"/a"},{"urls":"x"}]', /node 2 of the list has an unknown "urls"; known: url,/],
    ['another type', '[{"url":7}]', /node 1 of the list: url must be a text/],
    ['no place', '[{"token_env":"HOME"}]', /node 1 of the list needs a data_dir, or a url such as/],
    ['no URL', '[{"url":"10.0.0.1","token_env":"HOME"}]', /needs a data_dir, or a url such as/],
    ['no token', '[{"url":"http://10.0.0.1"}]', /node 1 of the list needs the node's API token/],
    ['a variable that is not set', '[{"url":"http://10.0.0.1","token_env":"NOT_SET_ANYWHERE"}]', /needs the node's API token/]
  ])('%s: a sentence that names the place', async (_name, text, message) => {
    await expect(readTargets(write(directory, 'bad.json', text), 'start')).rejects.toThrow(message)
  })

  test('without any restart command', async () => {
    expect(() => localTargets(['/a'], undefined)).toThrow(/node 1 of the list has no restart command.*--restart/)
  })
})

test('a node on this machine is where its run file says, which may be elsewhere after each start', () => {
  const [target] = localTargets([directory], 'start') as [ReturnType<typeof localTargets>[number]]
  expect(() => target.locate()).toThrow(/no node runs in/)
  write(directory, 'api-token', 'secret\n')
  for (const [pid, port] of [[1, 8080], [2, 9999]] as const) {
    writeFileSync(join(directory, 'run.json'), JSON.stringify({ pid, controlSocket: '/s', httpUrl: `http://127.0.0.1:${port}` }))
    expect(target.locate()).toEqual({ url: `http://127.0.0.1:${port}`, token: 'secret', pid })
  }
})

test('what stands for the node in a command is one word of the shell, whatever is in it', () => {
  const [target] = localTargets(['/srv/with space'], 'run {name} {data_dir} {url} {other}') as [ReturnType<typeof localTargets>[number]]
  expect(commandOf(target, "it's; rm -rf $HOME", 'http://h:1')).toBe(String.raw`run 'it'\''s; rm -rf $HOME' '/srv/with space' http://h:1 {other}`)
})
