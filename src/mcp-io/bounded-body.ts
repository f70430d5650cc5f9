/**
 * The same response, whose body fails once a single message in it is over `maxBytes`: the whole body of a JSON answer, a line of an
 * event stream (`data:` lines hold one message each).
 */
export function boundBody(response: Response, maxBytes: number, onOver: () => void): Response {
  if (response.body === null) return response
  const perLine = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false
  let size = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      const newline = perLine ? chunk.lastIndexOf(10) : -1
      // Up to the last newline counts against the line that was open, the rest opens a new one.
      const over = size + (newline < 0 ? chunk.length : chunk.indexOf(10)) > maxBytes
      size = newline < 0 ? size + chunk.length : chunk.length - newline - 1
      if (!over) return controller.enqueue(chunk)
      onOver()
      controller.error(new Error(`a message of the server is over ${maxBytes} bytes`))
    }
  })
  const { status, statusText, headers } = response
  return new Response(response.body.pipeThrough(counter), { status, statusText, headers })
}
