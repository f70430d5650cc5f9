import * as z from 'zod'
import { PROFILES, type ProfileName } from '../membership/profiles.ts'
import { addressProblem } from './addresses.ts'
import { addresses, choice, duration, integer, key, listOf, number, optionalDuration, optionalNumber, optionalText, path, port, size, text, texts, truth, type Group } from './key.ts'

/** What a node may be called: it is part of tool names when two nodes claim one server name. */
const NODE_ID = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be 1 to 63 letters, digits, dots, dashes or underscores and start with a letter or digit')
const SHORT_NAME = z.string().regex(/^[A-Za-z0-9._-]{0,63}$/, 'must be at most 63 letters, digits, dots, dashes or underscores')
/** A multiaddr is told from the other two by its first character. */
const PARENT = z.string().min(1).max(1_024).superRefine((parent, context) => {
  const problem = parent.startsWith('/') ? addressProblem(parent) : undefined
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})
const HOST = z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'must be an IP address or host name, without a port')

export const BOOTSTRAP_METHODS = ['ipfs_nodes', 'file_based', 'environment'] as const
export const HUB_TIERS = ['global', 'regional', 'local', 'leaf'] as const
export const RELAY_USES = ['auto', 'on', 'off'] as const
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const

export const node = {
  about: 'Who this node is.',
  keys: {
    id: text('node', { about: 'Display name of this node; others see it in `skein peers` and in tool names when two nodes claim one server name.', defaultText: 'the host name', sample: 'alpha' }, NODE_ID),
    region: text('', { about: 'Where this node is, such as us-east; published in its record. Without coordinates it decides how near a hub is.' }, SHORT_NAME),
    hub_tier: choice('leaf', HUB_TIERS, {
      about: 'Place of this node in the hierarchy: a hub (global, regional, local) founds and leads a pool of nodes below it, a leaf belongs to one. Without any hub the federation is flat: docs/tiers.md.'
    }),
    coordinates: {
      about: 'Where on Earth this node is; published in its record. Give both or neither; near hubs are preferred.',
      keys: {
        latitude: optionalNumber(-90, 90, 'degrees', { about: 'Degrees north of the equator.', defaultText: 'none', sample: 52.52 }),
        longitude: optionalNumber(-180, 180, 'degrees', { about: 'Degrees east of Greenwich.', defaultText: 'none', sample: 13.4 })
      }
    },
    data_dir: path({
      about: 'Directory of the key, the credential, the peer store and the control socket of this node.',
      defaultText: '$XDG_STATE_HOME/skein or ~/.local/state/skein',
      sample: '/var/lib/skein'
    })
  }
} satisfies Group

export const network = {
  about: 'Addresses, peers and ports.',
  keys: {
    listen: addresses(['/ip4/0.0.0.0/tcp/4001', '/ip6/::/tcp/4001'], { about: 'Multiaddrs on which other nodes reach this one; port 0 takes a free one.' }),
    announce: addresses([], { about: 'Multiaddrs told to others instead of those of the own interfaces, for nodes behind NAT or a load balancer.' }),
    bootstrap: addresses([], { about: 'Multiaddrs of nodes to meet first, with or without /p2p/<peer id>.' }),
    bootstrap_file: path({ about: 'File with one multiaddr a line (# starts a comment), for the method file_based.', defaultText: 'none', sample: 'peers.txt' }),
    bootstrap_methods: listOf(BOOTSTRAP_METHODS, z.enum(BOOTSTRAP_METHODS), `ordered list of ${BOOTSTRAP_METHODS.join(', ')}`, {
      about: 'Ways to find the first nodes, tried in this order: network.bootstrap, network.bootstrap_file, the variable SKEIN_BOOTSTRAP.'
    }),
    bootstrap_retries: integer(3, 0, 100, { about: 'How often a bootstrap method is tried again before the next one takes its turn.' }),
    bootstrap_timeout: duration('30s', '1s', '10m', { about: 'How long one round of a bootstrap method may take.' }),
    dial_timeout: duration('10s', '100ms', '2m', { about: 'How long connecting to one peer may take.' }),
    max_connections: integer(300, 1, 10_000, { about: 'Open connections to peers, in and out; more are refused. At least twice network.mesh_size: two nodes that dial each other have two for a moment.' }),
    mesh_size: integer(128, 1, 1_000, { about: 'In a pool of up to this many members, this node included, it keeps a connection with each; in a larger one, with its neighbours in a ring and some random ones.' }),
    discovery_timeout: duration('10s', '100ms', '5m', { about: 'How long one discovery source may take to answer.' }),
    max_peers: integer(50, 1, 10_000, { about: 'Peers remembered per discovery round; the freshest stay.' }),
    refresh_interval: duration('30m', '10s', '24h', { about: 'How often the discovery sources are asked again.' }),
    stale_after: duration('60m', '1m', '7d', { about: 'A peer not heard of for this long is forgotten by discovery.' }),
    relay: {
      about: 'Ways to members that cannot be dialled: behind NAT, or behind a firewall that lets nothing in.',
      keys: {
        serve: truth(true, { about: 'Whether other members may be reached through this node; their bytes pass it encrypted.' }),
        use: choice('auto', RELAY_USES, { about: 'Whether this node is reached through other members. auto: when a member says that it cannot dial it, and network.announce is empty.' })
      }
    },
    dht: truth(false, { about: 'Whether this node takes part in the Kademlia of its federation: another way to find members, and who offers a server or tool. Federations up to network.mesh_size do not need it.' }),
    mdns: truth(false, { about: 'Whether nodes of the same federation are looked for in the local network by multicast DNS.' }),
    http_host: text('127.0.0.1', { about: 'Address on which MCP clients reach /mcp; beyond loopback, also set security.allowed_hosts.' }, HOST),
    http_port: port(8080, { about: 'Port of /mcp and the health pages; 0 takes a free one.' })
  }
} satisfies Group

/** Over this many, a hub's own connections and memory would no longer be those of one pool (docs/tiers.md). */
const MOST_CHILDREN = 1_000

export const federation = {
  about: 'The place of this node in a federation with hubs (docs/tiers.md). The limits are for hubs; what the federation has decided on with `skein consensus propose` comes first.',
  keys: {
    parent: key(PARENT.optional(), 'text', 'text', '', undefined, {
      about: 'The hub that this node wants to belong to, as long as it lives: name, peer id or multiaddr.',
      defaultText: 'chosen by distance, load and room',
      sample: 'hub-eu'
    }),
    max_regional_hubs: integer(10, 1, MOST_CHILDREN, { about: 'Child hubs that a global hub takes; more are sent on to another hub.' }),
    max_child_hubs: integer(20, 1, MOST_CHILDREN, { about: 'Child hubs that a regional hub takes; more are sent on to another hub.' }),
    max_clusters: integer(100, 1, MOST_CHILDREN, { about: 'Leaves that a hub of any tier takes; more are sent on to another hub.' })
  }
} satisfies Group

// A node that finds itself slow waits up to eight times as long: with these bounds it still judges within minutes.
export const membership = {
  about: 'How fast a member that went silent is found, and how sure one wants to be. The same on all nodes; times and their meaning: docs/membership.md.',
  keys: {
    profile: choice('lan', Object.keys(PROFILES) as ProfileName[], {
      about: 'Set of times: lan for one site, wan for links above 100 ms, local for one machine, guide for the values of the federation operations guide.'
    }),
    probe_interval: optionalDuration('100ms', '30s', {
      about: 'Every so often this node asks one other member for a sign of life; one that gave none until then, neither to it nor to others asked in its place, is suspected.',
      defaultText: 'that of the profile',
      sample: '1s'
    }),
    probe_timeout: optionalDuration('10ms', '30s', {
      about: 'How long the asked member may take before others are asked to try it too: more than the slowest round trip. The verdict waits for at least twice this long.',
      defaultText: 'that of the profile',
      sample: '500ms'
    }),
    suspicion_timeout: optionalDuration('100ms', '1h', {
      about: 'How long a suspected member may object before it counts as dead, however many there are and whoever suspects it.',
      defaultText: 'by the profile and the number of members',
      sample: '5s'
    })
  }
} satisfies Group

export const gossip = {
  about: 'How news about tools travels between nodes.',
  keys: {
    interval: optionalDuration('100ms', '1m', { about: 'Heartbeat of the gossip mesh.', defaultText: '2s at a global hub, 500ms at a local one, 1s at all others', sample: '1s' }),
    fanout: integer(6, 2, 32, { about: 'Peers in the gossip mesh of this node.' }),
    max_message_bytes: size('64KiB', '4KiB', '1MiB', { about: 'Larger gossip messages are neither sent nor accepted; the same on all nodes.' }),
    sync_interval: duration('30s', '1s', '1h', { about: 'How often two nodes compare what they know, so that no lost message matters.' })
  }
} satisfies Group

export const catalog = {
  about: 'What this node knows of the tools in the federation.',
  keys: {
    max_tools: integer(1_000, 10, 100_000, {
      about: 'Tools in the list at /mcp and in those of views, and tools that this node keeps of servers outside its pools: whole servers, nearest first; the rest is found by `skein tools search` and /mcp/@search.'
    })
  }
} satisfies Group

export const consensus = {
  about: 'Votes on what the federation decides: leases of hubs, settings, bans (docs/tiers.md). The same on all nodes.',
  keys: {
    threshold: optionalNumber(0.5, 1, '', {
      about: 'Share of the voters that must agree to a setting or a ban, never less than a majority; leases take a majority whatever this says.',
      defaultText: '0.7 in the pool root, where settings and bans are; 0.6 in a regional pool, 0.5 in a local one',
      sample: 0.7
    }),
    proposal_timeout: duration('10s', '1s', '10m', { about: 'How long a proposal may take to be decided; then it expires and has no effect.' })
  }
} satisfies Group

export const monitoring = {
  about: 'Logs, metrics and health.',
  keys: {
    metrics_enabled: truth(true, { about: 'Whether Prometheus metrics are served at /metrics.' }),
    metrics_host: text('127.0.0.1', { about: 'Address on which metrics are served.' }, HOST),
    metrics_port: port(9090, { about: 'Port of /metrics; 0 takes a free one.' }),
    log_level: choice('info', LOG_LEVELS, { about: 'The least important lines that are logged.', live: true }),
    log_format: choice('auto', ['auto', 'json', 'pretty'], { about: 'auto: pretty on a terminal, JSON lines elsewhere.' }),
    health_check_interval: duration('30s', '1s', '1h', { about: 'How often the parts of the node are checked for /health and /ready.' })
  }
} satisfies Group

export const security = {
  about: 'Which federation, and who may ask.',
  keys: {
    federation: text('home', { about: 'Name of the federation that is founded when this node starts for the first time without a token.' }, SHORT_NAME.min(1)),
    token: optionalText({ about: 'Join token from `skein token create`; used once, then the credential in the data directory counts.', secret: true, defaultText: 'none', sample: 'put-the-token-here' }),
    token_file: path({ about: 'File that holds the join token, not readable by everyone; used when security.token is not set.', defaultText: 'none', sample: 'join-token' }),
    credential_lifetime_days: integer(30, 1, 365, { about: 'How long the credentials that this node issues are valid; nodes renew them in time.' }, 'days'),
    allowed_hosts: texts([], { about: 'Host names by which clients reach /mcp beside localhost (protection from DNS rebinding).' }, HOST),
    allowed_origins: texts([], { about: 'Origins of web pages that may call /mcp, such as https://app.example.org.' }, z.string().regex(/^[a-z][a-z0-9+.-]*:\/\/[^/\s]+$/i, 'must be an origin such as https://app.example.org, without a path'))
  }
} satisfies Group

export const rpc = {
  about: 'Calls between nodes.',
  keys: {
    max_in_flight: integer(1_024, 1, 65_536, { about: 'Calls of one peer that are served at a time; more are refused as busy.' }),
    max_body_bytes: size('16MiB', '64KiB', '256MiB', { about: 'Largest request or answer between nodes.' })
  }
} satisfies Group

// A rule of its own for each component would be more than anybody tunes: these hold for all.
export const breaker = {
  about: 'When calls to a server, or to a server of another node, are refused for a while because too many have failed: docs/failures.md. A failure is a call without an answer; an error of the tool is an answer.',
  keys: {
    failures: integer(5, 1, 1_000, { about: 'Failures in a row after which calls are refused.' }),
    failure_rate: number(0.5, 0.01, 1, { about: 'Share of failed calls, of at least ten within breaker.window, from which on calls are refused.' }),
    window: duration('10s', '1s', '10m', { about: 'The time over which the share of failures is counted.' }),
    open_for: duration('1s', '100ms', '10m', { about: 'How long calls are refused the first time (half of this to all of it, by chance); then one call is tried, and as long as that fails the time doubles.' }),
    open_at_most: duration('60s', '100ms', '1h', { about: 'The longest time that calls are refused before one is tried.' })
  }
} satisfies Group
