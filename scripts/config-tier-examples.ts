/** The example files of a federation with hubs: one for each role, of one federation. */
export function tierExamples(): Record<string, string> {
  return {
    'config/global-hub.example.yaml': GLOBAL,
    'config/regional-hub.example.yaml': REGIONAL,
    'config/local-hub.example.yaml': LOCAL,
    'config/leaf.example.yaml': LEAF
  }
}

const GLOBAL = `# The hub at the top of a federation: it leads the pool of the regional hubs. What tiers are, and when one needs them: docs/tiers.md.
# The first start founds the federation and prints the command by which others join. Start two more of these with a token of the first:
# they stand by, and lead when it dies.
node:
  id: hub-global
  hub_tier: global
  region: eu-central
  coordinates: {latitude: 50.11, longitude: 8.68}

network:
  # The address by which the hubs of other regions reach this one.
  announce: [/dns4/hub-global.example.org/tcp/4001]

federation:
  # Child hubs, and leaves of its own; more are sent on to another hub. These are the defaults.
  max_regional_hubs: 10
  max_clusters: 100

security:
  federation: home

mcp:
  # A hub passes calls on; servers belong to leaves.
  graph: {enabled: false}
`

const REGIONAL = `# A hub of one region, below the global hub: it leads the pool of the region's local hubs. Its token comes from
# \`skein token create --tier regional\` at a node of the federation.
node:
  id: hub-us-east
  hub_tier: regional
  region: us-east
  coordinates: {latitude: 39.04, longitude: -77.49}

network:
  announce: [/dns4/hub-us-east.example.org/tcp/4001]
  # Nodes to meet first: the hub above.
  bootstrap: [/dns4/hub-global.example.org/tcp/4001]

federation:
  # Without parent, the best hub above is chosen: by distance, load and room.
  parent: hub-global
  max_child_hubs: 20
  max_clusters: 100

security:
  federation: home
  #token_file: join-token

mcp:
  graph: {enabled: false}
`

const LOCAL = `# A hub of one site, below a regional one: it leads the pool of the site's leaves. Its token comes from
# \`skein token create --tier local\` at a node of the federation.
node:
  id: hub-ashburn
  hub_tier: local
  region: us-east
  coordinates: {latitude: 39.04, longitude: -77.49}

network:
  bootstrap: [/dns4/hub-us-east.example.org/tcp/4001]

federation:
  parent: hub-us-east
  max_clusters: 100

security:
  federation: home
  #token_file: join-token

mcp:
  graph: {enabled: false}
`

const LEAF = `# A node with MCP servers in a federation with hubs. It belongs to the pool of one hub, and reaches the tools of all others through it.
# Its token comes from \`skein token create\` at a node of the federation.
node:
  id: ashburn-7
  # hub_tier: leaf is the default.
  region: us-east

network:
  bootstrap: [/dns4/hub-ashburn.example.org/tcp/4001]

federation:
  # The hub it wants to belong to. When that one is dead or full, or without this line: the best one, by distance, load and room.
  parent: hub-ashburn

catalog:
  # Tools of other sites that are listed; the rest is found by \`skein tools search\`.
  max_tools: 1000

security:
  federation: home
  #token_file: join-token

mcp:
  servers:
    memory:
      command: npx
      args: [-y, '@modelcontextprotocol/server-memory']
`
