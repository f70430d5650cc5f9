import type { Json } from '../../../wire/json-rpc.ts'
import type { Headers } from '../link.ts'
import { headerText, NAMED_BY, paramHeaders } from '../../rev2026/param-headers.ts'

/** `Mcp-Name`, and `Mcp-Param-*` of a tool's call as its definition declares them (none without a definition); the other headers are the transport's. */
export function namingHeaders(method: string, params: Json, definition?: Json): Headers {
  const headers: Record<string, string> = {}
  const field = NAMED_BY.get(method)
  const name = field === undefined ? undefined : params[field]
  if (typeof name === 'string') headers['Mcp-Name'] = encodeHeader(name)
  if (definition === undefined) return headers
  const { declared, fault } = paramHeaders(definition.inputSchema)
  if (fault !== undefined) return headers
  for (const { header, path } of declared) {
    const text = headerText(params.arguments, path)
    if (text !== undefined) headers[`Mcp-Param-${header}`] = encodeHeader(text)
  }
  return headers
}

/** A value that cannot stand in a header as it is goes as `=?base64?…?=`; one that looks like that already, too. */
function encodeHeader(value: string): string {
  const plain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !(value.startsWith('=?base64?') && value.endsWith('?='))
  return plain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`
}
