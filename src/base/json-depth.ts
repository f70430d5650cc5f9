/**
 * How deeply JSON of others may be nested: far over anything people write. JSON.parse takes any depth, but JSON.stringify and every other
 * recursive reader run out of stack at some 4 000.
 */
export const MAX_JSON_DEPTH = 512

const QUOTE = '"'
const BACKSLASH = 0x5c

/** Whether JSON text is nested deeper than `max`. One pass, and none for texts too short to be. */
export function isTooDeep(text: string, max = MAX_JSON_DEPTH): boolean {
  // Each level takes two characters.
  if (text.length <= 2 * max) return false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at)
        break
      case 0x7b:
      case 0x5b:
        if (++depth > max) return true
        break
      case 0x7d:
      case 0x5d:
        depth--
    }
  }
  return false
}

/** Where the string that begins at `start` ends. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf(QUOTE, start + 1); at >= 0; at = text.indexOf(QUOTE, at + 1)) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return at
  }
  return text.length
}
