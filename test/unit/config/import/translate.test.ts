import { describe, expect, test } from 'vitest'
import { plainJson, readClientFile } from '../../../../src/config/import/client-file.ts'
import { clientPlaces } from '../../../../src/config/import/places.ts'
import { serverName } from '../../../../src/config/import/import-servers.ts'
import { translateServer } from '../../../../src/config/import/translate.ts'

const translate = (entry: unknown, project?: string) => translateServer(entry, { env: { SET: 'value' }, project, userHome: '/home/me', workspaceFolder: project })
const entryOf = (entry: unknown, project?: string) => {
  const result = translate(entry, project)
  if ('problem' in result) throw new Error(result.problem)
  return result.entry
}
const notesOf = (entry: unknown) => {
  const result = translate(entry)
  return 'problem' in result ? [`problem: ${result.problem}`] : result.notes
}

describe('an entry of a client', () => {
  test.each([
    [{ command: 'npx', args: ['-y', 'x', 3], env: { A: 'b', N: 1, T: true, Z: null } }, { command: 'npx', args: ['-y', 'x', '3'], env: { A: 'b', N: '1', T: 'true' } }],
    [{ type: 'stdio', command: 'x', args: [], env: {}, autoApprove: ['a'] }, { command: 'x' }],
    [{ type: 'http', url: 'https://h/mcp', headers: { 'X-A': 'b' } }, { url: 'https://h/mcp', headers: { 'X-A': 'b' } }],
    [{ serverUrl: 'https://h/mcp' }, { url: 'https://h/mcp' }],
    [{ httpUrl: 'https://h/mcp', transport: 'streamable-http' }, { url: 'https://h/mcp' }],
    [{ command: 'x', disabled: true }, { command: 'x', enabled: false }],
    [{ command: 'x', enabled: true, disabledTools: ['rm'] }, { command: 'x', expose: { deny: ['rm'] } }],
    [{ command: '${SET}/bin', args: ['${env:SET}', '${userHome}/x', '$HOME', '${env:UNSET:-d}'], env: { A: '${OTHER:-}' } }, { command: 'value/bin', args: ['${SET}', '/home/me/x', '$HOME', '${UNSET:-d}'], env: { A: '${OTHER:-}' } }],
    [{ url: 'https://${SET}/mcp', headers: { Authorization: 'Bearer ${env:SET}' } }, { url: 'https://${SET}/mcp', headers: { Authorization: 'Bearer ${SET}' } }]
  ])('%j', (written, entry) => expect(entryOf(written)).toEqual(entry))

  test('of a project: its folder is where the program runs and what is relative is relative to', () => {
    expect(entryOf({ command: './server', args: ['${workspaceFolder}/a', '${workspaceFolderBasename}'] }, '/p/q')).toEqual({ command: '/p/q/server', args: ['/p/q/a', 'q'], cwd: '/p/q' })
    expect(entryOf({ command: 'npx', cwd: 'sub' }, '/p/q')).toEqual({ command: 'npx', cwd: '/p/q/sub' })
    expect(entryOf({ command: 'npx', cwd: 'sub' })).toEqual({ command: 'npx', cwd: '/home/me/sub' })
    expect(entryOf({ url: 'https://h/' }, '/p/q')).toEqual({ url: 'https://h/' })
  })

  test.each([
    [null, 'is not an object'],
    [{}, 'has neither a command nor a url'],
    [{ type: 'sse', url: 'https://h/sse' }, 'uses the old SSE transport'],
    [{ type: 'ws', url: 'https://h/' }, 'has the transport "ws"'],
    [{ command: 'x', args: 'a' }, 'args is not a list of texts'],
    [{ command: 'x', args: [['a']] }, 'args is not a list of texts'],
    [{ command: 'x', env: ['a'] }, 'env is not an object of texts'],
    [{ command: 'x', env: { A: {} } }, 'env.A is not a text'],
    [{ command: 'x', env: { KEY: '${input:api-key}' } }, 'env.KEY: ${input:api-key} asks its user: put the value into an environment variable, such as API_KEY'],
    [{ command: 'x', args: ['${command:pick}'] }, 'args: ${command:pick} is a variable that only the client knows'],
    [{ command: 'x', args: ['${workspaceFolder}'] }, 'args: ${workspaceFolder} has no meaning here'],
    [{ command: '${UNSET}/x' }, 'command: ${UNSET} is not set here'],
    [{ command: 'skein', args: ['mcp'] }, 'is skein itself'],
    [{ command: 'node', args: ['/opt/skein/bin/skein.js', 'mcp', '--data-dir', 'x'] }, 'is skein itself']
  ])('%j cannot be taken over: %s', (written, problem) => {
    expect(translate(written)).toEqual({ problem: expect.stringContaining(problem) })
  })

  test('what its owner should know', () => {
    expect(notesOf({ command: 'x', env: { GITHUB_TOKEN: 'ghp', API_KEY: '${SET}', PLAIN: 'a' } })).toEqual(['has what looks like secrets (GITHUB_TOKEN), now in this file too: keep it private, or write ${VARIABLE} instead'])
    expect(notesOf({ url: 'https://h/sse', headers: { Authorization: 'Bearer x' } })).toEqual([expect.stringContaining('looks like the old SSE transport'), expect.stringContaining('secrets (Authorization)')])
    expect(notesOf({ command: 'x', args: ['${UNSET}', '${SET}', '${UNSET}'] })).toEqual(['needs UNSET in the environment of the node, which will not start without'])
    expect(notesOf({ command: 'x', envFile: '.env', oauth: {} })).toEqual(['not taken over: envFile, oauth (write its variables into env)'])
    expect(notesOf({ command: 'x' })).toEqual([])
  })
})

describe('the file of a client', () => {
  const names = (text: string, cwd = '/p') => readClientFile(text, cwd).map(({ name }) => name)

  test.each([
    ['{"mcpServers": {"a": {}, "b": {}}}', ['a', 'b']],
    ['{"servers": {"a": {}}, "inputs": []}', ['a']],
    ['{"mcp": {"servers": {"a": {}}}, "editor.fontSize": 12}', ['a']],
    ['{"mcpServers": {"a": {}}, "projects": {"/p": {"mcpServers": {"b": {}}}, "/q": {"mcpServers": {"c": {}}}}}', ['a', 'b']],
    ['// mine\n{"servers": { /* one */ "a": {"url": "http://h//x", "t": "\\"//"}, // two\n "b": {},\n },}\n', ['a', 'b']],
    ['\uFEFF{"mcpServers": {"a": {}}}', ['a']]
  ])('%j', (text, expected) => expect(names(text)).toEqual(expected))

  test.each([
    ['[]', 'has no object at its top'],
    ['{"other": 1}', 'neither "mcpServers" nor "servers"'],
    ['{"mcpServers": []}', 'not an object by name'],
    ['{"mcpServers": {"a": {"KEY": s3cret}}}', /^is not valid JSON/],
    ['{"mcpServers": ', /^is not valid JSON/],
    ['', /^is not valid JSON/]
  ])('%j is refused without its content', (text, message) => {
    expect(() => names(text)).toThrow(message)
    expect(() => names(text)).not.toThrow(/s3cret/)
  })

  test('places of mistakes are those of the file', () => expect(() => names('{\n  // c\n  "servers": {"a" 1}\n}')).toThrow('line 3, column 19'))

  test('texts keep what looks like a comment, and every place', () => {
    const text = '{"a": "/* , ] */ // \\" x", /* y\n z */ "b": [1, 2, ], }'
    const plain = plainJson(text)
    expect(plain).toHaveLength(text.length)
    expect(JSON.parse(plain)).toEqual({ a: '/* , ] */ // " x', b: [1, 2] })
  })
})

test.each([
  ['github', 'github'],
  ['My Server!', 'My-Server'],
  ['@org/pkg.name', 'org-pkg-name'],
  ['a'.repeat(40), 'a'.repeat(32)],
  ['日本', 'server'],
  ['__proto__', 'server']
])('the name %s is %s', (written, name) => expect(serverName(written)).toBe(name))

describe('where clients keep their files', () => {
  const paths = (client: Parameters<typeof clientPlaces>[0], platform: NodeJS.Platform, env: Record<string, string> = {}) =>
    clientPlaces(client, { platform, env: { HOME: '/h', USERPROFILE: '/h', ...env }, cwd: '/p' }).map(({ path }) => path)

  test('each system has its own', () => {
    expect(paths('claude-desktop', 'linux')).toEqual(['/h/.config/Claude/claude_desktop_config.json'])
    expect(paths('claude-desktop', 'linux', { XDG_CONFIG_HOME: '/x' })).toEqual(['/x/Claude/claude_desktop_config.json'])
    expect(paths('claude-desktop', 'darwin')).toEqual(['/h/Library/Application Support/Claude/claude_desktop_config.json'])
    expect(paths('claude-desktop', 'win32', { APPDATA: '/r' })).toEqual(['/r/Claude/claude_desktop_config.json'])
    expect(paths('vscode', 'linux')).toEqual(['/h/.config/Code/User/mcp.json', '/p/.vscode/mcp.json'])
    expect(paths('claude-code', 'linux')).toEqual(['/h/.claude.json', '/p/.mcp.json'])
    expect(paths('cursor', 'win32')).toEqual(['/h/.cursor/mcp.json', '/p/.cursor/mcp.json'])
    expect(paths('windsurf', 'darwin')).toEqual(['/h/.codeium/windsurf/mcp_config.json'])
  })
})
