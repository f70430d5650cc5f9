import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'
import { load, temporaryDirectory, write } from './files.ts'

const directory = temporaryDirectory()

describe('defaults', () => {
  const { config, warnings, sources, file } = load(directory, undefined)

  test('a node needs no configuration', () => {
    expect(warnings).toEqual([])
    expect(file).toBeUndefined()
    expect(sources.size).toBe(0)
    expect(config.node.id).toBe(hostname())
    expect(config.node.coordinates).toBeUndefined()
    expect(config.network).toMatchObject({
      listen: ['/ip4/0.0.0.0/tcp/4001', '/ip6/::/tcp/4001'],
      bootstrapMethods: ['ipfs_nodes', 'file_based', 'environment'],
      bootstrapTimeout: 30_000,
      refreshInterval: 1_800_000,
      staleAfter: 3_600_000,
      httpHost: '127.0.0.1',
      httpPort: 8080
    })
    expect(config.gossip).toEqual({ interval: 1_000, fanout: 6, maxMessageBytes: 65_536, syncInterval: 30_000 })
    expect(config.mcp).toMatchObject({ requestTimeout: 20_000, maxBodyBytes: 4_194_304, graph: { enabled: true, expose: false, maxNodes: 10_000, maxEdges: 50_000 }, servers: [] })
    expect(config.network).toMatchObject({ meshSize: 128, maxConnections: 300 })
    expect(config.membership).toEqual({ profile: 'lan', probeInterval: undefined, probeTimeout: undefined, suspicionTimeout: undefined })
    expect(config.rpc).toEqual({ maxInFlight: 1_024, maxBodyBytes: 16_777_216 })
  })

  test('it is frozen all the way down', () => {
    const servers = load(directory, 'mcp: {servers: {a: {command: x, env: {A: b}}}}').config.mcp.servers
    expect(() => ((config.network as { httpPort: number }).httpPort = 1)).toThrow(TypeError)
    expect(() => (config.network.listen as string[]).push('x')).toThrow(TypeError)
    expect(() => ((servers[0] as unknown as { env: Record<string, string> }).env['A'] = 'c')).toThrow(TypeError)
  })

  test.each([
    [{ XDG_STATE_HOME: '/state', HOME: '/home/a' }, '/state/skein'],
    [{ HOME: '/home/a' }, '/home/a/.local/state/skein'],
    [{ XDG_STATE_HOME: 'relative', HOME: '/home/a' }, '/home/a/.local/state/skein'],
    [{ XDG_STATE_HOME: '', HOME: '/home/a' }, '/home/a/.local/state/skein']
  ])('the data directory of %j', (env, expected) => expect(load(directory, undefined, { env }).config.node.dataDir).toBe(expected))
})

describe('order', () => {
  const yaml = 'node: {id: from-file, region: r1}\nnetwork: {http_port: 1111}\n'

  test('the file wins over defaults, the environment over the file, flags over all', () => {
    const { config, sources } = load(directory, yaml, { env: { SKEIN_NODE_ID: 'from-env', SKEIN_NETWORK_HTTP_PORT: '2222' }, flags: { httpPort: '3333' } })
    expect(config.node).toMatchObject({ id: 'from-env', region: 'r1' })
    expect(config.network.httpPort).toBe(3333)
    expect(Object.fromEntries(sources)).toEqual({ 'node.id': 'environment', 'node.region': 'file', 'network.http_port': 'flag' })
  })

  test('a flag covers a bad value of the file', () => {
    expect(load(directory, 'network: {http_port: bad}', { flags: { httpPort: 7 } }).config.network.httpPort).toBe(7)
  })

  test('an empty variable is not set', () => expect(load(directory, yaml, { env: { SKEIN_NODE_ID: '' } }).config.node.id).toBe('from-file'))

  test('a long name wins over a short one, in either order', () => {
    const names = { SKEIN_LOG_LEVEL: 'debug', SKEIN_MONITORING_LOG_LEVEL: 'error' }
    const turned = { SKEIN_MONITORING_LOG_LEVEL: 'error', SKEIN_LOG_LEVEL: 'debug' }
    for (const env of [names, turned]) expect(load(directory, undefined, { env }).config.monitoring.logLevel).toBe('error')
  })

  test.each([
    ['SKEIN_TOKEN', 'abc', 'security.token', 'abc'],
    ['SKEIN_DATA_DIR', '/d', 'node.dataDir', '/d'],
    ['SKEIN_LOG_LEVEL', 'INFO', 'monitoring.logLevel', 'info'],
    ['SKEIN_REGION', 'us', 'node.region', 'us'],
    ['SKEIN_HUB_TIER', 'global', 'node.hubTier', 'global'],
    ['SKEIN_PARENT', 'hub-eu', 'federation.parent', 'hub-eu'],
    ['SKEIN_PARENT_HUB', 'hub-eu', 'federation.parent', 'hub-eu'],
    ['SKEIN_MAX_REGIONAL_HUBS', '3', 'federation.maxRegionalHubs', 3],
    ['SKEIN_MAX_CHILD_HUBS', '4', 'federation.maxChildHubs', 4],
    ['SKEIN_MAX_CLUSTERS', '5', 'federation.maxClusters', 5],
    ['SKEIN_METRICS_ENABLED', 'false', 'monitoring.metricsEnabled', false],
    ['SKEIN_BOOTSTRAP', '/ip4/1.2.3.4/tcp/1, /dns4/a.b/tcp/2', 'network.bootstrapEnvironment', ['/ip4/1.2.3.4/tcp/1', '/dns4/a.b/tcp/2']],
    ['SKEIN_NETWORK_LISTEN', '/ip4/127.0.0.1/tcp/0', 'network.listen', ['/ip4/127.0.0.1/tcp/0']],
    ['SKEIN_GOSSIP_INTERVAL', '500ms', 'gossip.interval', 500],
    ['SKEIN_GOSSIP_INTERVAL', '2', 'gossip.interval', 2_000],
    ['SKEIN_RPC_MAX_BODY_BYTES', '1MiB', 'rpc.maxBodyBytes', 1_048_576],
    ['SKEIN_MCP_GRAPH_ENABLED', '0', 'mcp.graph.enabled', false]
  ])('%s=%s sets %s', (name, value, path, expected) => expect(load(directory, undefined, { env: { [name]: value } }).config).toHaveProperty(path.split('.'), expected))

  test('unknown SKEIN_ names warn with the nearest name, others are not looked at', () => {
    const { warnings } = load(directory, undefined, { env: { SKEIN_NETWRK_HTTP_PORT: '1', SKEIN_QQQQQQQQ: '1', OTHER: 'x' } })
    expect(warnings).toEqual([
      'environment variable SKEIN_NETWRK_HTTP_PORT is not known; did you mean SKEIN_NETWORK_HTTP_PORT?',
      'environment variable SKEIN_QQQQQQQQ is not known; it has no effect'
    ])
  })

  test('SKEIN_CONFIG names the file, an option wins over it', () => {
    const other = write(directory, 'other.yaml', 'node: {id: other}')
    expect(load(directory, undefined, { env: { SKEIN_CONFIG: 'other.yaml' } })).toMatchObject({ file: other, config: { node: { id: 'other' } } })
    expect(load(directory, 'node: {id: mine}', { env: { SKEIN_CONFIG: other } }).config.node.id).toBe('mine')
  })
})

describe('values', () => {
  test('sections whose lines are all comments mean nothing', () => {
    expect(load(directory, 'node:\nnetwork:\n  listen:\nmcp:\n  graph:\n  servers:\n').config.mcp.servers).toEqual([])
    expect(load(directory, '').config.network.httpPort).toBe(8080)
  })

  test('paths of the file are relative to the file, those of variables and flags to the current directory', () => {
    const file = write(directory, 'node.yaml', 'node: {data_dir: state}\nnetwork: {bootstrap_file: ~/peers}\nmcp: {servers: {a: {command: x, cwd: sub}}}')
    const { config } = load('/', undefined, { file, env: { HOME: '/home/a' } })
    expect(config.node.dataDir).toBe(join(directory, 'state'))
    expect(config.network.bootstrapFile).toBe('/home/a/peers')
    expect(config.mcp.servers[0]).toMatchObject({ cwd: join(directory, 'sub') })
    expect(load('/', undefined, { file, env: { SKEIN_DATA_DIR: 'x' } }).config.node.dataDir).toBe('/x')
    expect(load('/', undefined, { file, flags: { dataDir: './y' } }).config.node.dataDir).toBe('/y')
  })

  test.each(['/ip4/1.2.3.4/tcp/1', '/ip6/::1/tcp/0', '/dns/a.b/tcp/1', '/dns4/a.b/tcp/1', '/dns6/a.b/tcp/1', `/ip4/1.2.3.4/tcp/1/p2p/${peerIdOfKey(new Uint8Array(32).fill(7))}`])(
    'the address %s is fine',
    (address) => expect(load(directory, `network: {bootstrap: ["${address}"]}`).config.network.bootstrap).toEqual([address])
  )

  test('coordinates', () => {
    expect(load(directory, 'node: {coordinates: {latitude: 40.7, longitude: -74}}').config.node.coordinates).toEqual({ latitude: 40.7, longitude: -74 })
  })

  test('a token from its file; a token given otherwise wins', () => {
    const token = write(directory, 'token', ' abc \n')
    expect(load(directory, 'security: {token_file: token}').config.security).toMatchObject({ token: 'abc', tokenFile: token })
    expect(load(directory, 'security: {token_file: token}', { env: { SKEIN_TOKEN: 'env' } }).config.security.token).toBe('env')
  })

  test('aliases are fine in moderation', () => {
    expect(load(directory, 'network:\n  listen: &a [/ip4/127.0.0.1/tcp/0]\n  announce: *a\n').config.network.announce).toEqual(['/ip4/127.0.0.1/tcp/0'])
  })
})

test('a variable sets its own section only, even where an alias makes two of them one', () => {
  const { config } = load(directory, 'mcp: &a {max_body_bytes: 1MiB}\nrpc: *a\n', { env: { SKEIN_MCP_MAX_BODY_BYTES: '2MiB' } })
  expect([config.mcp.maxBodyBytes, config.rpc.maxBodyBytes]).toEqual([2_097_152, 1_048_576])
})

describe('membership', () => {
  test('a profile, and times in its place, from the file and the environment', () => {
    const { config, warnings } = load(directory, 'membership: {profile: wan, suspicion_timeout: 20s}', { env: { SKEIN_MEMBERSHIP_PROBE_INTERVAL: '500ms' } })
    expect(config.membership).toEqual({ profile: 'wan', probeInterval: 500, probeTimeout: undefined, suspicionTimeout: 20_000 })
    expect(warnings).toEqual([])
  })

  test('fewer connections than twice the mesh is a warning where it was said, not an error', () => {
    const file = join(directory, 'node.yaml')
    const few = load(directory, 'network:\n  max_connections: 200\n')
    expect(few.config.network.maxConnections).toBe(200)
    expect(few.warnings).toEqual([`${file}:2:20: network.max_connections: max_connections (200) is less than twice mesh_size (128): when that many members join at once, connections are refused; set max_connections to 256 or more`])
    expect(load(directory, 'network: {mesh_size: 151}').warnings).toEqual([expect.stringContaining(':1:22: network.mesh_size: max_connections (300)')])
    expect(load(directory, undefined, { env: { SKEIN_NETWORK_MAX_CONNECTIONS: '9' } }).warnings).toEqual([expect.stringMatching(/^environment variable SKEIN_NETWORK_MAX_CONNECTIONS: network\.max_connections: /)])
    expect(load(directory, 'network: {mesh_size: 150, max_connections: 300}').warnings).toEqual([])
  })

  test('hubs that take more nodes than connections, and parents that cannot be, are warned of', () => {
    const warned = (text: string) => load(directory, text).warnings.map((warning) => warning.replace(/^.*:\d+:\d+: /, ''))
    expect(warned('node: {hub_tier: regional}\nfederation: {max_clusters: 400}')).toEqual([
      'federation.max_clusters: a regional hub takes 420 nodes with these limits, but network.max_connections is 300: set that to 840 or more, or they are refused before'
    ])
    expect(warned('node: {hub_tier: regional}\nnetwork: {max_connections: 840}\nfederation: {max_clusters: 400}')).toEqual([])
    for (const tier of ['global', 'regional', 'local', 'leaf']) expect(warned(`node: {hub_tier: ${tier}}`)).toEqual([])
    expect(warned('federation: {max_clusters: 400}')).toEqual([])
    expect(warned('node: {hub_tier: global}\nfederation: {parent: eu}')).toEqual([expect.stringMatching(/^federation\.parent: has no effect: nothing is above a global hub/)])
    expect(warned('node: {id: eu}\nfederation: {parent: eu}')).toEqual([expect.stringMatching(/^federation\.parent: is node\.id of this node itself/)])
    expect(warned('federation: {parent: /ip4/127.0.0.1/tcp/9}')).toEqual([expect.stringMatching(/^federation\.parent: has no effect without a peer id/)])
  })
})

describe('tiers', () => {
  test('the heartbeat of the gossip mesh follows the tier, unless it is configured', () => {
    const interval = (text: string) => load(directory, text).config.gossip.interval
    expect(['global', 'regional', 'local', 'leaf'].map((tier) => interval(`node: {hub_tier: ${tier}}`))).toEqual([2_000, 1_000, 500, 1_000])
    expect(interval('node: {hub_tier: global}\ngossip: {interval: 3s}')).toBe(3_000)
  })

  test('limits and thresholds have the defaults of the guide, the threshold that of the pool', () => {
    const { federation, consensus, catalog } = load(directory, undefined).config
    expect({ federation, consensus, catalog }).toEqual({
      federation: { parent: undefined, maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 },
      consensus: { threshold: undefined, proposalTimeout: 10_000 },
      catalog: { maxTools: 1_000 }
    })
  })

  test('the parent is a name, a peer id or a multiaddr, and that is checked', () => {
    expect(load(directory, 'federation: {parent: hub-eu}').config.federation.parent).toBe('hub-eu')
    expect(load(directory, undefined, { flags: { parent: '/ip4/127.0.0.1/tcp/4001' } }).config.federation.parent).toBe('/ip4/127.0.0.1/tcp/4001')
    expect(() => load(directory, 'federation: {parent: /ip4/999.0.0.1/tcp/1}')).toThrow('federation.parent')
  })

  test('a threshold under one half is refused: two halves could decide against each other', () => {
    expect(() => load(directory, 'consensus: {threshold: 0.4}')).toThrow('consensus.threshold: must be at least 0.5')
  })
})

describe('a configuration from an operations guide', () => {
  const guide = `
node:
  id: "global-hub-001"
  region: "us-east"
  hub_tier: "global"
  coordinates:
    latitude: 40.7128
    longitude: -74.0060
network:
  listen_port: 8080
  gossip_port: 8081
  membership_port: 8082
  consensus_port: 8083
gossip:
  interval: 1.0
  fanout: 3
  strategy: "hybrid"
membership:
  probe_interval: 2.0
  probe_timeout: 5.0
  suspicion_timeout: 30.0
consensus:
  threshold: 0.6
  proposal_timeout: 10.0
monitoring:
  metrics_enabled: true
  metrics_port: 9090
  health_check_interval: 30.0
security:
  tls_enabled: true
  cert_file: "/path/to/cert.pem"
  key_file: "/path/to/key.pem"
  ca_file: "/path/to/ca.pem"
  authentication:
    method: "jwt"
    secret_key: "\${JWT_SECRET_KEY}"
    token_expiry: 3600
  authorization:
    rbac_enabled: true
    admin_roles: ["federation_admin"]
`
  const { config, warnings } = load(directory, guide)

  test('is accepted', () => {
    expect(config.node).toMatchObject({ id: 'global-hub-001', region: 'us-east', hubTier: 'global', coordinates: { latitude: 40.7128, longitude: -74.006 } })
    expect(config.gossip).toMatchObject({ interval: 1_000, fanout: 3 })
    expect(config.consensus).toEqual({ threshold: 0.6, proposalTimeout: 10_000 })
    expect(config.membership).toEqual({ profile: 'lan', probeInterval: 2_000, probeTimeout: 5_000, suspicionTimeout: 30_000 })
    expect(config.monitoring.healthCheckInterval).toBe(30_000)
    // The guide's port is not taken over silently: the warning says where clients find the node.
    expect(config.network.httpPort).toBe(8080)
  })

  test('with one warning for each key that has no meaning, with its line and what replaced it', () => {
    const file = join(directory, 'node.yaml')
    expect(warnings).toHaveLength(11)
    expect(warnings[0]).toBe(`${file}:10:3: network.listen_port: it is not used; clients reach the node at network.http_port (8080 by default), other nodes at network.listen`)
    const keys = ['listen_port', 'gossip_port', 'membership_port', 'consensus_port'].map((name) => `network.${name}`)
    const security = ['tls_enabled', 'cert_file', 'key_file', 'ca_file', 'authentication', 'authorization'].map((name) => `security.${name}`)
    for (const [index, key] of [...keys, 'gossip.strategy', ...security].entries()) expect(warnings[index]).toContain(`: ${key}: `)
  })
})
