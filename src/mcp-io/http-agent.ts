import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { Agent as HttpAgent, type AgentOptions } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import type { HttpTarget } from '../mcp/upstream/spec.ts'
import { errorMessage, SkeinError } from '../base/errors.ts'

/** Twice as many as one server gets calls at a time (256): their cancellations and the open streams need some too. More wait, within their deadline. */
const MAX_SOCKETS = 512
/**
 * Idle connections are closed after this, ms. Below the 5 s of Node's and Python's usual servers, so that a request does not meet a
 * connection that the server is just closing: such a request is in doubt.
 */
const IDLE_SOCKET = 4_000
/** Bundles of all public authorities have a quarter of this. */
const MAX_CA_BYTES = 1024 * 1024

/** Minor version of Node 24 from which its agents know proxies; older ones would go past them without a word. */
const PROXIES_SINCE = 5

type Env = Readonly<Record<string, string | undefined>>
/** The same for both protocols: an agent speaks one. */
type ProxyEnv = { HTTP_PROXY: string; HTTPS_PROXY: string; NO_PROXY?: string }

/**
 * The connections to one server, through a proxy where the configuration or the environment says so. Rejects what cannot work with
 * SKEIN_CONFIG. A server on this machine is never reached through a proxy of the environment: it would look on its own machine.
 */
export function createAgent(options: { name: string; target: HttpTarget; env: Env }): HttpAgent {
  const { name, target, env } = options
  const at = `mcp.servers.${name}`
  if (!URL.canParse(target.url)) throw new SkeinError('SKEIN_CONFIG', `${at}.url: '${target.url}' is not a URL`)
  const url = new URL(target.url)
  const proxyEnv = proxyOf(target, url, env, at)
  const common: AgentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_SOCKET, ...(proxyEnv === undefined ? {} : { proxyEnv }) }
  if (url.protocol !== 'https:') return new HttpAgent(common)
  return new HttpsAgent({ ...common, ...(target.caFile === undefined ? {} : { secureContext: trusting(target.caFile, at) }) })
}

function proxyOf(target: HttpTarget, url: URL, env: Env, at: string): ProxyEnv | undefined {
  if (target.proxy === 'direct') return undefined
  if (target.proxy !== undefined) return checked(target.proxy, `${at}.proxy`)
  if (isLoopback(url.hostname)) return undefined
  const variable = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const found = env[variable.toLowerCase()] || env[variable]
  const except = env.no_proxy || env.NO_PROXY
  return found ? { ...checked(found, `${variable} in the environment of skein`), ...(except ? { NO_PROXY: except } : {}) } : undefined
}

/** Node takes no notice of a proxy it does not understand: the request would go where it must not. */
function checked(proxy: string, place: string): ProxyEnv {
  const protocol = URL.canParse(proxy) ? new URL(proxy).protocol : undefined
  if (protocol !== 'http:' && protocol !== 'https:') throw new SkeinError('SKEIN_CONFIG', `${place} is not the URL of an HTTP proxy. It must be one such as http://proxy.example:3128.`)
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major === 24 && minor < PROXIES_SINCE) throw new SkeinError('SKEIN_CONFIG', `${place} needs Node 24.${PROXIES_SINCE} or newer, this is ${process.versions.node}. Update Node.`)
  return { HTTP_PROXY: proxy, HTTPS_PROXY: proxy }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function holdsCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

/** What Node trusts anyway (NODE_EXTRA_CA_CERTS included) and the certificates of the file. */
function trusting(file: string, at: string): SecureContext {
  const problem = (why: string, cause?: unknown) => new SkeinError('SKEIN_CONFIG', `${at}.ca_file: ${file} ${why}`, { cause })
  let pem: string
  try {
    if (statSync(file).size > MAX_CA_BYTES) throw problem(`is over ${MAX_CA_BYTES} bytes; it should hold the certificates of one authority in PEM form.`)
    pem = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof SkeinError) throw error
    throw problem(`cannot be read (${errorMessage(error)}). Check the path; it is relative to the configuration file.`, error)
  }
  // Node ignores a file without certificates; the person who named it would look for the mistake elsewhere.
  if (!holdsCertificate(pem)) throw problem('holds no certificate in PEM form (-----BEGIN CERTIFICATE-----).')
  return createSecureContext({ ca: [...getCACertificates('default'), pem] })
}
