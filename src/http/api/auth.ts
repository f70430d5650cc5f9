import { createHash, timingSafeEqual } from 'node:crypto'

export interface ApiAuth {
  /** Why a request with this Authorization header is refused, and the challenge to send along; undefined when it may pass. */
  refusal(authorization: string | undefined): { message: string; challenge: string } | undefined
}

const REALM = 'Bearer realm="skein"'

/** Hashes are of one length, so comparing them tells neither the token nor how long it is. */
function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Lets through whoever has the token of this node (RFC 6750, header only). @param file name of the file that holds it, for the refusal */
export function createApiAuth(token: string, file: string): ApiAuth {
  const wanted = hash(token)
  const how = `send "Authorization: Bearer <token>" with the token in the file ${file} of the node's data directory (\`skein status\` shows where that is).`
  return {
    refusal(authorization) {
      const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1]
      if (given === undefined) return { message: `This needs the token of the node: ${how}`, challenge: REALM }
      if (timingSafeEqual(hash(given), wanted)) return undefined
      return { message: `That is not the token of this node: ${how}`, challenge: `${REALM}, error="invalid_token"` }
    }
  }
}
