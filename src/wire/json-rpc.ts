/** JSON-RPC 2.0 messages as MCP uses them: parameters and results are objects, there are no batches. */

export type Json = Record<string, unknown>
export type JsonRpcId = string | number

export interface JsonRpcRequest {
  jsonrpc: '2.0'
  id: JsonRpcId
  method: string
  params?: Json
}
export interface JsonRpcNotification {
  jsonrpc: '2.0'
  method: string
  params?: Json
}
export interface JsonRpcError {
  code: number
  message: string
  data?: unknown
}
export interface JsonRpcResponse {
  jsonrpc: '2.0'
  /** Null: the message it answers could not be read. */
  id: JsonRpcId | null
  result?: Json
  error?: JsonRpcError
}
export type JsonRpcMessage = JsonRpcRequest | JsonRpcNotification | JsonRpcResponse
