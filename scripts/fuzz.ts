/** `npm run fuzz [inputs] [seed]`: the RPC decoders and the session machine with many seeded inputs; run with --expose-gc to see the heap. */
import { fuzzRpc } from '../test/fuzz/rpc-fuzz.ts'

const inputs = Number(process.argv[2] ?? 1_000_000)
const seed = Number(process.argv[3] ?? 1)
const SLICE = 100_000
const collect = (globalThis as { gc?: () => void }).gc
console.log(`rpc: ${inputs} inputs, seed ${seed}`)
for (let done = 0; done < inputs; done += SLICE) {
  const result = await fuzzRpc(Math.min(SLICE, inputs - done), seed + done)
  collect?.()
  const heap = collect === undefined ? '' : `, heap after gc ${(process.memoryUsage().heapUsed / 1e6).toFixed(1)} MB`
  console.log(`${done + result.inputs}: ${((result.decoded / result.inputs) * 100).toFixed(0)} % decoded, ${result.refused} sessions refused, ${result.lived} lived${heap}`)
}
