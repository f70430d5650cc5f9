import { secretRules, startHost } from '../../support/hosts.ts'

// A host in a process of its own, to be killed: argument 1 is the seed; a message { dial } makes it dial.
const host = await startHost({ seed: Number(process.argv[2]), rules: secretRules('s') })
process.on('message', (message: { dial: string }) => {
  host.connect([message.dial], { signal: AbortSignal.timeout(5_000) }).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ address: `${host.addresses()[0]}/p2p/${host.self}`, self: host.self })
