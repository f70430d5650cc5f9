import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'

/** An address that does not answer: a process that accepts nothing, whose queue is full. */
export async function silentAddress(closers: (() => void)[]): Promise<string> {
  const source = `const s = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(s.address().port))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  closers.push(() => child.kill('SIGKILL'))
  const [data] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(data.toString())
  for (let count = 0; count < 4; count++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    closers.push(() => socket.destroy())
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  return `/ip4/127.0.0.1/tcp/${port}`
}
