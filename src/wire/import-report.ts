/** What `skein import` did, as the command gets it from the configuration. */

export interface ImportedServer {
  /** Under mcp.servers. */
  name: string
  /** As the client calls it. */
  written: string
  /** The client's file. */
  source: string
  /** `kept`: there is another entry of this name. `skipped`: it cannot be taken over. */
  action: 'added' | 'replaced' | 'unchanged' | 'kept' | 'skipped'
  notes: string[]
}

export interface ImportReport {
  /** The node's file. */
  config: string
  created: boolean
  written: boolean
  servers: ImportedServer[]
  /** Of files, not of one server. */
  notes: string[]
}
