import { runCli } from './cli/main.ts'
import { VERSION } from './version.ts'

// Commands that only ask a running node never load the node itself.
const code = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signals: process
}, {
  version: VERSION,
  startNode: async (flags, options) => (await import('./run-node.ts')).startNode(flags, options),
  joinFederation: async (dataDir, token) => (await import('./run-node.ts')).joinFederation(dataDir, token),
  configTools: async () => (await import('./run-node.ts')).configTools()
})

// Not left to an empty event loop: after a second Ctrl-C a whole node still runs, and after a proper stop libp2p still has timers of
// a second. What was printed goes out first.
process.stdout.write('', () => process.exit(code))
