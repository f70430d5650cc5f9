import type { Path } from './yaml-file.ts'

/**
 * Keys of the operations guides that people copy from and that have no meaning here. They are accepted with a warning
 * that names what replaced them, so that such a file starts a node.
 */
const GUIDE_KEYS: Record<string, string> = {
  'network.listen_port': 'it is not used; clients reach the node at network.http_port (8080 by default), other nodes at network.listen',
  'network.gossip_port': 'it is not used; all traffic between nodes goes over the one port of network.listen',
  'network.membership_port': 'it is not used; all traffic between nodes goes over the one port of network.listen',
  'network.consensus_port': 'it is not used; all traffic between nodes goes over the one port of network.listen',
  'gossip.strategy': 'it is not used; the gossip mesh both pushes and pulls, see gossip.fanout and gossip.sync_interval',
  'security.tls_enabled': 'it is not used; traffic between nodes is always encrypted',
  'security.cert_file': 'it is not used; nodes prove who they are with the key in node.data_dir',
  'security.key_file': 'it is not used; the key of the node is in node.data_dir',
  'security.ca_file': 'it is not used; the federation itself issues credentials, see security.token',
  'security.authentication': 'it is not used; nodes are admitted by join tokens (security.token), clients by security.allowed_hosts and allowed_origins',
  'security.authorization': 'it is not used; what others may call is set by expose under mcp.servers'
}

export interface GuideWarning {
  path: Path
  key: string
  message: string
}

/** Removes the guide keys from `values` (in place) and says which they were. */
export function dropGuideKeys(values: Record<string, unknown>): GuideWarning[] {
  const warnings: GuideWarning[] = []
  for (const [key, message] of Object.entries(GUIDE_KEYS)) {
    const [section, name] = key.split('.') as [string, string | undefined]
    const parent = name === undefined ? values : values[section]
    const last = name ?? section
    if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, last)) continue
    if (name === undefined) delete values[section]
    // A copy, because YAML aliases make two sections one object.
    else values[section] = Object.fromEntries(Object.entries(parent).filter(([key]) => key !== name))
    warnings.push({ path: key.split('.'), key, message })
  }
  return warnings
}
