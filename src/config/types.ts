import type { ProfileName } from '../membership/profiles.ts'
import type { Expose } from './mcp-section.ts'

/** What the node is run with. Frozen all the way down; durations in ms, sizes in bytes, paths absolute. */
export interface Config {
  readonly node: {
    readonly id: string
    readonly region: string
    readonly hubTier: 'global' | 'regional' | 'local' | 'leaf'
    /** Degrees. */
    readonly coordinates: { readonly latitude: number; readonly longitude: number } | undefined
    readonly dataDir: string
  }
  readonly network: {
    /** Multiaddrs, as all address lists here. */
    readonly listen: readonly string[]
    /** Empty: those of the own interfaces. */
    readonly announce: readonly string[]
    /** Method ipfs_nodes. */
    readonly bootstrap: readonly string[]
    /** Method file_based. */
    readonly bootstrapFile: string | undefined
    /** Method environment: the addresses of SKEIN_BOOTSTRAP. */
    readonly bootstrapEnvironment: readonly string[]
    readonly bootstrapMethods: readonly ('ipfs_nodes' | 'file_based' | 'environment')[]
    readonly bootstrapRetries: number
    /** ms */
    readonly bootstrapTimeout: number
    /** ms */
    readonly dialTimeout: number
    readonly maxConnections: number
    /** Members, this one included; up to this many, all are kept connected. */
    readonly meshSize: number
    /** ms */
    readonly discoveryTimeout: number
    readonly maxPeers: number
    /** ms */
    readonly refreshInterval: number
    /** ms */
    readonly staleAfter: number
    readonly relay: { readonly serve: boolean; readonly use: 'auto' | 'on' | 'off' }
    readonly dht: boolean
    readonly mdns: boolean
    readonly httpHost: string
    readonly httpPort: number
  }
  readonly federation: {
    /** Name, peer id or multiaddr of a hub; undefined: chosen by score. */
    readonly parent: string | undefined
    readonly maxRegionalHubs: number
    readonly maxChildHubs: number
    readonly maxClusters: number
  }
  readonly membership: {
    readonly profile: ProfileName
    /** ms; undefined: that of the profile, as the next two. */
    readonly probeInterval: number | undefined
    /** ms */
    readonly probeTimeout: number | undefined
    /** ms */
    readonly suspicionTimeout: number | undefined
  }
  readonly gossip: {
    /** ms; by node.hub_tier where it is not configured. */
    readonly interval: number
    readonly fanout: number
    readonly maxMessageBytes: number
    /** ms */
    readonly syncInterval: number
  }
  readonly catalog: {
    /** Tools of servers outside the node's pools. */
    readonly maxTools: number
  }
  readonly consensus: {
    /** 0.5 to 1; undefined: by the tier of the pool. */
    readonly threshold: number | undefined
    /** ms */
    readonly proposalTimeout: number
  }
  readonly monitoring: {
    readonly metricsEnabled: boolean
    readonly metricsHost: string
    readonly metricsPort: number
    readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
    readonly logFormat: 'auto' | 'json' | 'pretty'
    /** ms */
    readonly healthCheckInterval: number
  }
  readonly security: {
    readonly federation: string
    /** From security.token or the content of security.token_file. Secret. */
    readonly token: string | undefined
    readonly tokenFile: string | undefined
    readonly credentialLifetimeDays: number
    readonly allowedHosts: readonly string[]
    readonly allowedOrigins: readonly string[]
  }
  readonly mcp: {
    /** ms */
    readonly requestTimeout: number
    /** ms */
    readonly shutdownTimeout: number
    readonly maxSessions: number
    /** ms */
    readonly sessionIdleTimeout: number
    readonly maxBodyBytes: number
    readonly graph: { readonly enabled: boolean; readonly expose: boolean; readonly maxNodes: number; readonly maxEdges: number }
    /** Sorted by name. */
    readonly views: readonly ViewConfig[]
    /** Sorted by name; disabled ones included. */
    readonly servers: readonly ServerConfig[]
  }
  readonly rpc: {
    readonly maxInFlight: number
    readonly maxBodyBytes: number
  }
  readonly breaker: {
    readonly failures: number
    /** Over 0 up to 1. */
    readonly failureRate: number
    /** ms */
    readonly window: number
    /** ms */
    readonly openFor: number
    /** ms */
    readonly openAtMost: number
  }
}

/** One entry of mcp.views. */
export interface ViewConfig {
  /** The key under mcp.views. */
  readonly name: string
  readonly mode: 'list' | 'search'
  /** Patterns of advertised names, before renaming. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** Advertised name -> name in the view. */
  readonly rename: Readonly<Record<string, string>>
  /** Undefined: all. */
  readonly servers?: readonly string[] | undefined
}

interface ServerCommon {
  /** The key under mcp.servers. */
  readonly name: string
  readonly enabled: boolean
  readonly expose: Readonly<Expose>
  readonly stateless: boolean
  /** ms; mcp.request_timeout where the server has none of its own. */
  readonly timeout: number
  readonly maxConcurrent: number
  readonly maxWaiting: number
  readonly isolation: 'auto' | 'shared' | 'session'
  /** The era of MCP that it speaks. */
  readonly protocol: 'auto' | '2025' | '2026'
  /** Tool patterns. */
  readonly repeatable: readonly string[]
  readonly trustAnnotations: boolean
}

/** One entry of mcp.servers, ${VARIABLES} replaced. `shown` has them unreplaced: log and print that. */
export type ServerConfig = StdioServerConfig | HttpServerConfig

export interface StdioServerConfig extends ServerCommon {
  readonly kind: 'stdio'
  readonly command: string
  readonly args: readonly string[]
  /** In addition to what the child inherits. Secret. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | undefined
  readonly shown: { readonly args: readonly string[] }
}

export interface HttpServerConfig extends ServerCommon {
  readonly kind: 'http'
  readonly url: string
  /** Secret. */
  readonly headers: Readonly<Record<string, string>>
  /** A URL or `direct`; undefined: as the environment says. Secret. */
  readonly proxy: string | undefined
  /** Absolute. */
  readonly caFile: string | undefined
  readonly shown: { readonly url: string }
}

/** Where a value comes from. */
export type Origin = 'default' | 'file' | 'environment' | 'flag'

export interface Problem {
  /** The file, `environment variable SKEIN_…` or the flag. */
  where: string
  /** 1-based, for files. */
  line?: number
  column?: number
  /** Dotted path; '' for the file as a whole. */
  key: string
  message: string
}

export interface LoadedConfig {
  config: Config
  /** Sentences for the log. */
  warnings: string[]
  /** Where the value of each dotted key (`network.http_port`) comes from; what is missing is a default. */
  sources: ReadonlyMap<string, Origin>
  /** The file that was read. */
  file: string | undefined
}
