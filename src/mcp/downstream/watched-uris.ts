/** A client watches what it shows or works on; with MAX_URI and all listens of a node (1024) this is 200 MiB at the very worst. */
const MAX_URIS = 100

/** Longer ones are data, not names. */
const MAX_URI = 2048

/** Why these URIs cannot be watched, or undefined. */
export function urisProblem(uris: readonly unknown[]): string | undefined {
  if (uris.length > MAX_URIS) return `At most ${MAX_URIS} resources can be subscribed to at once: end subscriptions that are not needed.`
  return uris.every((uri) => typeof uri === 'string' && uri.length <= MAX_URI) ? undefined : `A resource URI must be a string of at most ${MAX_URI} characters.`
}
