/** Writes docs/config.md and config/*.example.yaml from the schema; with `--check` only compares and exits 1 on a difference. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { describeConfig, sections, type ConfigRow } from '../src/config/schema.ts'
import { tierExamples } from './config-tier-examples.ts'

const ROOT = join(import.meta.dirname, '..')
const MADE = 'Made from src/config by `node scripts/gen-config.ts`; edit there.'

/** The generated files by path within the project. */
export function generatedFiles(): Record<string, string> {
  return {
    'docs/config.md': referencePage(),
    'config/minimal.example.yaml': minimalExample(),
    'config/node.example.yaml': nodeExample(),
    'config/joining.example.yaml': joiningExample(),
    ...Object.fromEntries(Object.entries(tierExamples()).map(([path, text]) => [path, `${HEAD}#\n${text}`]))
  }
}

function referencePage(): string {
  const rows = describeConfig()
  const tables = Object.entries(sections).map(([name, section]) => {
    const own = rows.filter((row) => row.section === name && !row.key.includes('<'))
    return `## ${name}\n\n${section.about}\n\n${table(own)}`
  })
  const server = rows.filter((row) => row.key.startsWith('mcp.servers.<'))
  const view = rows.filter((row) => row.key.startsWith('mcp.views.<'))
  return `# Configuration

<!-- ${MADE} -->

A node needs no configuration to start. What it is told comes from four places; the later one wins:

1. the defaults below;
2. a YAML file: \`skein start --config node.yaml\`, or its path in \`SKEIN_CONFIG\`. No file is looked for by itself;
3. environment variables: \`SKEIN_<SECTION>_<KEY>\`, named in the tables; lists are separated by commas, empty values count as not set;
4. options of \`skein start\` (\`skein start --help\`).

\`skein config validate\` checks a file without starting a node, \`skein config print\` shows what would be in force (secrets left out),
\`skein config schema\` prints the JSON Schema for editors. Examples: [minimal](../config/minimal.example.yaml),
[joining](../config/joining.example.yaml), a [global](../config/global-hub.example.yaml), [regional](../config/regional-hub.example.yaml) and
[local](../config/local-hub.example.yaml) hub, a [leaf](../config/leaf.example.yaml) below them, [every key](../config/node.example.yaml).

**Durations** are numbers of seconds or texts such as \`500ms\`, \`20s\`, \`30m\`, \`1h\`, \`2d\`. **Sizes** are numbers of bytes or texts such as \`64KiB\`, \`16MiB\`.
**Paths** in the file are relative to the file, those of variables and options to the current directory; \`~/\` is the home directory.
**Multiaddrs** are \`/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>\`, where useful with \`/p2p/<peer id>\`.
A key marked **live** takes effect on \`skein reload\` or SIGHUP; the others need a restart.

Unknown keys, wrong types and values out of range are errors that name file, line, column and key; all are reported at once, and the exit code is 5.
A file that holds \`security.token\`, and a \`security.token_file\`, must not be readable by every user (\`chmod 600\`).

## Other environment variables

| Variable | Meaning |
|---|---|
| \`SKEIN_CONFIG\`, \`SKEIN_CONFIG_PATH\` | path of the YAML file |
| \`SKEIN_BOOTSTRAP\` | multiaddrs for the bootstrap method \`environment\`, separated by commas |
| \`SKEIN_TOKEN\` | short for \`SKEIN_SECURITY_TOKEN\` |
| \`SKEIN_DATA_DIR\` | short for \`SKEIN_NODE_DATA_DIR\` |
| \`SKEIN_REGION\`, \`SKEIN_HUB_TIER\` | short for \`SKEIN_NODE_REGION\`, \`SKEIN_NODE_HUB_TIER\` |
| \`SKEIN_PARENT\`, \`SKEIN_PARENT_HUB\` | short for \`SKEIN_FEDERATION_PARENT\` |
| \`SKEIN_MAX_REGIONAL_HUBS\`, \`SKEIN_MAX_CHILD_HUBS\`, \`SKEIN_MAX_CLUSTERS\` | short for \`SKEIN_FEDERATION_MAX_REGIONAL_HUBS\`, \`SKEIN_FEDERATION_MAX_CHILD_HUBS\`, \`SKEIN_FEDERATION_MAX_CLUSTERS\` |
| \`SKEIN_LOG_LEVEL\`, \`SKEIN_METRICS_ENABLED\` | short for \`SKEIN_MONITORING_LOG_LEVEL\`, \`SKEIN_MONITORING_METRICS_ENABLED\` |

Other names that start with \`SKEIN_\` give a warning, with the nearest name that exists.

${tables.join('\n\n')}

## mcp.views

What clients of this node see. \`/mcp\` has the tools of all servers under names \`<server>__<tool>\`; the entry \`default\` narrows and renames it. Every other entry is
an endpoint of its own, \`/mcp/@<name>\`. \`/mcp/@search\` is there without an entry: its three tools (\`search_tools\`, \`describe_tool\`, \`call_tool\`) reach all others, for
federations with more tools than a model can read; the entry \`search\` narrows it. \`/mcp/<server>\` is one server under its own names; no entry changes it.
Names are 1 to 32 letters, digits, dashes or underscores. Only the file can set these keys. What passes through views: [mcp.md](mcp.md).

${table(view)}

What a view leaves out can neither be listed nor called in it. It is not a permission: clients of this node may use its other endpoints too.
A rename that would give two tools one name, or names no tool, has no effect, and \`skein status\` says so.
Prompts and resources have the names of their servers; what two servers of a view both have is left out, stays at \`/mcp/<server>\`, and is named by \`skein status\`.

\`\`\`yaml
mcp:
  views:
    review:                       # /mcp/@review
      allow: ['git__*', 'issues__*']
      deny: ['*__delete_*']
      rename: {git__git_diff: diff}
    search:                       # /mcp/@search
      servers: [git, issues]
\`\`\`

## mcp.servers

One entry per server, by name (1 to 32 letters, digits, dashes or underscores; the name is the first part of its tools' names), in the shape clients
already use: \`command\` for a server that this node starts, \`url\` for one that runs elsewhere. Only the file can set these keys. Revisions, processes
of single clients and limits: [mcp.md](mcp.md).

${table(server)}

\`\${NAME}\` in \`args\`, \`env\`, \`url\` and \`headers\` is replaced by that environment variable of the node, \`\${NAME:-text}\` by \`text\` where the variable is not set, and
\`$\${NAME}\` stays \`\${NAME}\`. A variable that is not set is an error. \`skein config print\` shows the reference, not the value.

## Keys of other guides

Files written for older operations guides start a node too: \`network.listen_port\`, \`gossip_port\`, \`membership_port\`, \`consensus_port\`, \`gossip.strategy\`,
and \`security.tls_enabled\`, \`cert_file\`, \`key_file\`, \`ca_file\`, \`authentication\`, \`authorization\`
have no effect and give a warning that names what replaced them.
`
}

function table(rows: readonly ConfigRow[]): string {
  const withVariables = rows.some((row) => row.variable !== undefined)
  const cells = rows.map((row) => [
    `\`${row.key}\``,
    row.type,
    defaultCell(row),
    row.unit,
    row.live ? 'yes' : 'no',
    row.about,
    ...(withVariables ? [row.variable === undefined ? '' : `\`${row.variable}\``] : [])
  ])
  const head = ['Key', 'Type', 'Default', 'Unit of a number', 'Live', 'Meaning', ...(withVariables ? ['Variable'] : [])]
  return [head, head.map(() => '---'), ...cells].map((line) => `| ${line.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n')
}

function defaultCell(row: ConfigRow): string {
  return row.defaultText ?? `\`${flow(row.default)}\``
}

function flow(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim()
}

const HEAD = `# ${MADE}\n# Reference of all keys: docs/config.md\n`

function minimalExample(): string {
  return `${HEAD}#
# A node that offers two MCP servers to its federation. Start it with: skein start --config minimal.yaml
# The first start founds a federation and prints the command by which other nodes join.
mcp:
  servers:
    files:
      command: npx
      args: [-y, '@modelcontextprotocol/server-filesystem', /srv/shared]
    memory:
      command: npx
      args: [-y, '@modelcontextprotocol/server-memory']
`
}

function joiningExample(): string {
  return `${HEAD}#
# A node that joins a federation. Its token comes from \`skein token create\` at a node that is in it; give it as SKEIN_TOKEN, by
# \`skein join <token>\` before the first start, or in a file: chmod 600 join-token, then uncomment token_file.
node:
  id: beta
  region: eu-central

network:
  # Nodes to meet first. The token names some too; these are used beside them.
  bootstrap:
    - /dns4/alpha.example.org/tcp/4001
  # Behind NAT or a load balancer: the address by which others reach this node.
  #announce: [/dns4/beta.example.org/tcp/4001]

security:
  federation: home
  #token_file: join-token

mcp:
  servers:
    memory:
      command: npx
      args: [-y, '@modelcontextprotocol/server-memory']
      # What others may see of it.
      expose:
        allow: ['*']
        deny: ['delete_*']
`
}

function nodeExample(): string {
  const rows = describeConfig()
  const text = [HEAD, '# Every key with its default. Lines that start with #<key>: are settings; take away the # to set one.\n']
  let open: string[] = []
  for (const row of rows) {
    if (row.key.includes('<')) continue
    const path = row.key.split('.')
    const parents = path.slice(0, -1)
    for (const [depth, name] of parents.entries()) {
      if (open[depth] === name && open.length > depth) continue
      text.push(depth === 0 ? `\n# ${sections[name as keyof typeof sections].about}\n${name}:\n` : `${'  '.repeat(depth)}#${name}:\n`)
      open = parents.slice(0, depth + 1)
    }
    open = parents
    text.push(setting(row, '  '.repeat(parents.length)))
    if (row.kind === 'servers') text.push(serverExample(rows))
    if (row.kind === 'views') text.push(viewExample(rows))
  }
  return text.join('')
}

function setting(row: ConfigRow, indent: string): string {
  const notes = [row.about, row.kind === 'boolean' || row.kind === 'list' || row.kind === 'servers' || row.kind === 'views' ? '' : `(${row.type})`, row.live ? 'Live.' : '', row.default === undefined || row.defaultText !== undefined ? `Default: ${row.defaultText}.` : '']
  const name = row.key.split('.').at(-1) as string
  const value = row.kind === 'servers' || row.kind === 'views' ? '' : ` ${flow(row.sample ?? row.default)}`
  return `${indent}# ${notes.filter((note) => note !== '').join(' ')}\n${indent}#${name}:${value}\n`
}

function viewExample(rows: readonly ConfigRow[]): string {
  const shown: Record<string, unknown> = { mode: 'list', deny: ['*__delete_*'], rename: { files__read_file: 'read' }, servers: ['files', 'memory'] }
  const lines = ['    #review:']
  for (const row of rows.filter(({ key }) => key.startsWith('mcp.views.<'))) {
    const name = row.key.split('.').at(-1) as string
    lines.push(`      # ${row.about}`, `      #${name}: ${flow(shown[name] ?? row.default)}`)
  }
  return `${lines.join('\n')}\n`
}

function serverExample(rows: readonly ConfigRow[]): string {
  const shown: Record<string, unknown> = { command: 'npx', args: ['-y', '@modelcontextprotocol/server-memory'], env: { MEMORY_FILE_PATH: '/srv/memory.json' }, cwd: '.', type: 'stdio', timeout: '20s' }
  const remote: Record<string, unknown> = { url: 'https://tools.example.org/mcp', headers: { Authorization: 'Bearer ${TOOLS_TOKEN:-none}' }, proxy: 'http://proxy.example.org:3128', ca_file: 'company-ca.pem' }
  const lines = ['    #memory:']
  for (const row of rows.filter(({ key }) => key.startsWith('mcp.servers.<'))) {
    const name = row.key.split('.').at(-1) as string
    if (name in remote || name === 'transport') continue
    lines.push(`      # ${row.about}`, `      #${name}: ${flow(shown[name] ?? row.default)}`)
  }
  lines.push('    #remote:')
  for (const [name, value] of Object.entries(remote)) {
    lines.push(`      # ${rows.find(({ key }) => key.endsWith(`>.${name}`))?.about}`, `      #${name}: ${flow(value)}`)
  }
  return `${lines.join('\n')}\n`
}

if (import.meta.main) {
  const check = process.argv.includes('--check')
  const different: string[] = []
  for (const [path, text] of Object.entries(generatedFiles())) {
    let now: string | undefined
    try {
      now = readFileSync(join(ROOT, path), 'utf8')
    } catch {
      // A file that is not there differs too.
    }
    if (now === text) continue
    different.push(path)
    if (!check) writeFileSync(join(ROOT, path), text)
  }
  if (check && different.length > 0) {
    console.error(`not up to date: ${different.join(', ')}; run: node scripts/gen-config.ts`)
    process.exitCode = 1
  } else {
    console.log(different.length === 0 ? 'configuration docs are up to date' : `wrote ${different.join(', ')}`)
  }
}
