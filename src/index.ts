/** What other programs may import from the package; the command line is bin/skein.js. */
export { SkeinError } from './base/errors.ts'
export { startNode } from './run-node.ts'
export { VERSION } from './version.ts'
export type { ErrorCode } from './base/error-codes.ts'
export type { StartedNode, StartFlags } from './cli/context.ts'
export type { MemberChange, MemberInfo, NodeApi, NodeStatus, PeerInfo, ToolInfo } from './node/api.ts'
