import type { Json, JsonRpcError, JsonRpcRequest } from '../../../wire/json-rpc.ts'
import { HEADER_MISMATCH } from '../../../wire/mcp-spec.ts'
import type { ViewLists } from '../../ports.ts'
import { argumentAt, headerText, NAMED_BY, paramHeaders } from '../../rev2026/param-headers.ts'
import type { RequestHeaders } from '../ports.ts'

const BASE64_PREFIX = '=?base64?'
const BASE64_SUFFIX = '?='
const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One header, without the white space around its value (RFC 9110, 5.5); undefined: absent. */
function headerOf(headers: RequestHeaders, name: string): string | undefined {
  const value = headers[name]
  const first = Array.isArray(value) ? value.join(', ') : value
  return first?.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '')
}

/** A value that may be wrapped as `=?base64?…?=` (UTF-8); undefined: the wrapping is broken. Anything else is meant literally. */
export function decodeHeader(value: string): string | undefined {
  if (!value.startsWith(BASE64_PREFIX) || !value.endsWith(BASE64_SUFFIX)) return value
  const payload = value.slice(BASE64_PREFIX.length, -BASE64_SUFFIX.length)
  if (!CANONICAL_BASE64.test(payload)) return undefined
  try {
    return utf8.decode(Buffer.from(payload, 'base64'))
  } catch {
    return undefined
  }
}

/** The error of headers that do not say what the body says. `problem` goes on after "the request headers and the body disagree: ". */
function mismatch(header: string, problem: string): JsonRpcError {
  return { code: HEADER_MISMATCH, message: `The request headers and the body disagree: ${problem}.`, data: { mismatch: { header, body: problem } } }
}

/** What can be wrong with headers that are there: checked before the revision itself is. */
export function crossCheck(headers: RequestHeaders, version: string, method: string): JsonRpcError | undefined {
  const headerVersion = headerOf(headers, 'mcp-protocol-version')
  if (headerVersion !== undefined && headerVersion !== version) {
    return mismatch(headerVersion, `the body names protocol version ${version}, the header MCP-Protocol-Version ${headerVersion}`)
  }
  const headerMethod = headerOf(headers, 'mcp-method')
  if (headerMethod !== undefined && headerMethod !== method) {
    return mismatch(headerMethod, `the body names the method ${method}, the header Mcp-Method ${headerMethod}`)
  }
  return undefined
}

/** Headers that every request must have, and `Mcp-Name` where the method names something. */
export function requireHeaders(headers: RequestHeaders, request: JsonRpcRequest): JsonRpcError | undefined {
  const { method, params } = request
  if (headerOf(headers, 'mcp-protocol-version') === undefined) return mismatch('(missing)', 'the header MCP-Protocol-Version is missing')
  if (headerOf(headers, 'mcp-method') === undefined) return mismatch('(missing)', `the body names the method ${method}, but the header Mcp-Method is missing`)
  const field = NAMED_BY.get(method)
  const name = field === undefined ? undefined : params?.[field]
  // Without a name in the body there is nothing to compare: the request is refused for that.
  if (field === undefined || typeof name !== 'string') return undefined
  const header = headerOf(headers, 'mcp-name')
  if (header === undefined) return mismatch('(missing)', `the body has params.${field}, but the header Mcp-Name is missing`)
  const decoded = decodeHeader(header)
  if (decoded === undefined) return mismatch(header, 'the header Mcp-Name is not valid base64')
  return decoded === name ? undefined : mismatch(header, `params.${field} of the body is not what the header Mcp-Name names`)
}

/** The definitions of a list by name. */
const byName = new WeakMap<readonly Json[], ReadonlyMap<string, Json>>()

function definitionOf(tools: readonly Json[], name: string): Json | undefined {
  let definitions = byName.get(tools)
  if (definitions === undefined) {
    definitions = new Map(tools.map((definition) => [String(definition['name']), definition]))
    byName.set(tools, definitions)
  }
  return definitions.get(name)
}

/** Compares the arguments of a tool call with the headers that the tool of this name declares (`x-mcp-header`). */
export function checkParams({ tools }: Pick<ViewLists, 'tools'>, tool: string, args: unknown, headers: RequestHeaders): JsonRpcError | undefined {
  for (const { path, header: name, type } of paramHeaders(definitionOf(tools, tool)?.['inputSchema']).declared) {
    const expected = headerText(args, path)
    if (expected === undefined) continue
    const title = `Mcp-Param-${name}`
    const header = headerOf(headers, title.toLowerCase())
    if (header === undefined) return mismatch(title, `the argument ${path.join('.')} is in the body, but the header ${title} is missing`)
    const decoded = decodeHeader(header)
    if (decoded === undefined) return mismatch(title, `the header ${title} is not valid base64`)
    const value = argumentAt(args, path)
    // Numbers are compared as numbers: 42.0 is 42.
    const numeric = (type === 'integer' || type === 'number') && typeof value === 'number' && /^-?\d+(\.\d+)?$/.test(decoded)
    if (numeric ? Number(decoded) !== value : decoded !== expected) return mismatch(title, `the argument ${path.join('.')} is not what the header ${title} has`)
  }
  return undefined
}
