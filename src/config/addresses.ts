import { multiaddr } from '@multiformats/multiaddr'
import { errorMessage } from '../base/errors.ts'
import { keyOfPeerId } from '../wire/peer-id.ts'

const HOSTS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])
/** RFC 1035 allows 255 characters for a host name; the rest of an address of ours is under 200. */
const MAX_ADDRESS_LENGTH = 512

/**
 * What is wrong with a multiaddr that this node should listen on, announce or dial, as a sentence; undefined when nothing is.
 * Only `/<ip4|ip6|dns…>/<host>/tcp/<port>[/p2p/<peer id>]` is useful: the host speaks TCP alone.
 */
export function addressProblem(text: string): string | undefined {
  const example = 'write it like /ip4/192.0.2.7/tcp/4001 or /dns4/node.example.org/tcp/4001'
  if (text.length > MAX_ADDRESS_LENGTH) return `this multiaddr is longer than ${MAX_ADDRESS_LENGTH} characters`
  let parts: { name: string; value?: string }[]
  try {
    parts = multiaddr(text).getComponents()
  } catch (error) {
    return `"${text}" is not a multiaddr (${errorMessage(error)}); ${example}`
  }
  const [host, transport, peer, ...rest] = parts
  if (host === undefined || !HOSTS.has(host.name)) return `"${text}" must start with /ip4, /ip6, /dns, /dns4 or /dns6; ${example}`
  if (transport === undefined || transport.name !== 'tcp') return `"${text}" must go on with /tcp/<port>, the only transport here; ${example}`
  if (peer !== undefined && (peer.name !== 'p2p' || rest.length > 0)) return `"${text}" may only have /p2p/<peer id> after the port; ${example}`
  if (peer?.value !== undefined && keyOfPeerId(peer.value) === undefined) return `"${text}" ends with "${peer.value}", which is not a peer id of an Ed25519 key (12D3KooW…)`
  return undefined
}
