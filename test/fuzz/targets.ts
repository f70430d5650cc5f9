import { admissionTargets, catalogTargets, gossipTestTargets, reachTargets, relayTargets, summaryTargets, tiersTargets } from './cbor-targets.ts'
import type { FuzzTarget } from './driver.ts'
import { mcpTargets } from './mcp-targets.ts'
import { mcpTextTargets } from './mcp-text-targets.ts'
import { frameTarget, rpcTarget } from './rpc-targets.ts'
import { swimTargets } from './swim-targets.ts'

/** Everything that reads what another node sent; new ones each time, because some have a state. */
export function allTargets(): FuzzTarget[] {
  return [frameTarget(), rpcTarget(), ...admissionTargets, ...catalogTargets, ...gossipTestTargets, ...relayTargets, ...reachTargets, ...summaryTargets, ...tiersTargets, ...mcpTargets, ...mcpTextTargets, ...swimTargets()]
}
