import { leanClient } from './lean-mcp.ts'

/**
 * A client for inside a network namespace: calls `log__append` and `log__read` by turns, so many at a time, until its input ends. One
 * JSON line for each call on stdout. Arguments: the node's /mcp URL, calls in flight, and after how many ms the server answers.
 */
const [url = '', inFlight = '16', after = '20'] = process.argv.slice(2)

/** Times are unix ms; `code`: `ok`, or that of the error. */
export interface SteadyCall {
  id: string
  tool: 'append' | 'read'
  began: number
  ended: number
  code: string
}

if (import.meta.main) {
  const client = await leanClient(url, Number(inFlight))
  const state = { stopped: false }
  let issued = 0
  process.stdin.on('end', () => (state.stopped = true)).resume()

  async function worker(): Promise<void> {
    while (!state.stopped) {
      const n = issued++
      const tool = n % 2 === 0 ? 'append' : 'read'
      const id = `${tool}-${n}`
      const began = Date.now()
      let code: string
      try {
        const { result, error } = await client.call(`log__${tool}`, { id, after: Number(after) })
        code = result !== undefined && result.isError !== true ? 'ok' : (error?.data?.code ?? error?.message ?? 'isError')
      } catch (error) {
        code = String(error)
      }
      const call: SteadyCall = { id, tool, began, ended: Date.now(), code }
      process.stdout.write(`${JSON.stringify(call)}\n`)
      // Errors come at once: no storm of them.
      if (code !== 'ok') await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await Promise.all(Array.from({ length: Number(inFlight) }, worker))
  client.close()
}
