import { request } from 'node:http'
import { request as requestTls } from 'node:https'

/** Where a node's HTTP port is, and what opens its API. */
export interface Place {
  /** Without a path: http://host:port */
  url: string
  token: string
  /** Of its process, where it runs on this machine. */
  pid?: number
}

/** Each question is small; a node that takes longer than this is as good as gone, ms. */
const ASK_TIMEOUT = 5_000
/** The largest answer read, bytes: the records of hundreds of nodes. */
const MAX_ANSWER = 16 * 1024 * 1024

/** The node answered, and not with what was asked for. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Nobody listens at a port any more, by how a request failed. */
const GONE = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE'])

export function isGone(error: unknown): boolean {
  return GONE.has((error as NodeJS.ErrnoException).code ?? '')
}

/** One request. Rejects with Refused for any status but 2xx, else with what broke the connection. */
export function ask<T>({ url, token }: Place, method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) }
    const send = url.startsWith('https:') ? requestTls : request
    const req = send(new URL(path, url), { method, headers, agent: false, timeout: ASK_TIMEOUT }, (res) => {
      let answer = ''
      res.setEncoding('utf8')
      res.on('data', (chunk: string) => {
        answer += chunk
        if (answer.length > MAX_ANSWER) req.destroy(new Error(`${path} answers with more than ${MAX_ANSWER} bytes`))
      })
      res.on('error', reject)
      res.on('end', () => {
        const status = res.statusCode ?? 0
        if (status < 200 || status >= 300) return reject(new Refused(status, `${method} ${path} is answered with ${status}: ${answer.trim().slice(0, 300)}`))
        try {
          resolve(JSON.parse(answer) as T)
        } catch {
          reject(new Refused(status, `${method} ${path} is not answered with JSON: is ${url} a skein node?`))
        }
      })
    })
    req.on('timeout', () => req.destroy(new Error(`${url} did not answer within ${ASK_TIMEOUT} ms`)))
    req.on('error', reject)
    req.end(text)
  })
}
