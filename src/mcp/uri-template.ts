/** A URI that is longer is no resource of anybody: matching it would only cost time. */
const MAX_URI = 4_096
/** Real ones have a tenth of it. */
const MAX_TEMPLATE = 1_024
/** Every expression is one pass over the URI; templates of real servers have one to four. */
const MAX_EXPRESSIONS = 8

/** `start`: with this character or not at all; '' stands for one or more of any. `stop`: never with these. */
interface Expression {
  start: string
  stop: string
}
type Part = { literal: string } | Expression

/** By RFC 6570 operator. */
const OPERATORS: Record<string, Expression> = {
  '+': { start: '', stop: '' },
  '#': { start: '#', stop: '' },
  '.': { start: '.', stop: '/?#' },
  '/': { start: '/', stop: '?#' },
  ';': { start: ';', stop: '/?#' },
  '?': { start: '?', stop: '#' },
  '&': { start: '&', stop: '#' }
}
const SIMPLE: Expression = { start: '', stop: '/?#' }

const EXPRESSION = /^([+#./;?&]?)[A-Za-z0-9_%.]+(?::\d+|\*)?(?:,[A-Za-z0-9_%.]+(?::\d+|\*)?)*$/

/**
 * Whether a URI may come from a URI template (RFC 6570, levels 1 to 3): a test, the values are not taken out. `{x}` stands for one
 * or more characters of one path segment, `{+x}` (and `{x*}`, as servers write it) for any characters, and `{/x}`, `{.x}`, `{;x}`,
 * `{?x}`, `{&x}`, `{#x}` for nothing or what starts with their character. Time is linear in the URI, whatever the template.
 * Undefined: the template cannot be read, or has more than 8 expressions or 1 024 characters.
 */
export function uriMatcher(template: string): ((uri: string) => boolean) | undefined {
  const parts = template.length > MAX_TEMPLATE ? undefined : parse(template)
  if (parts === undefined) return undefined
  const literals = parts.flatMap((part) => ('literal' in part ? part.literal : []))
  const [first, last] = [parts[0], parts.at(-1)]
  const prefix = first !== undefined && 'literal' in first ? first.literal : ''
  const suffix = last !== undefined && 'literal' in last ? last.literal : ''
  return (uri) => uri.length <= MAX_URI && uri.startsWith(prefix) && uri.endsWith(suffix) && inOrder(literals, uri) && fits(parts, uri)
}

/** Without its literals a URI need not be looked at any closer; nearly all templates that are tried end here. */
function inOrder(literals: readonly string[], uri: string): boolean {
  let at = 0
  for (const literal of literals) {
    const found = uri.indexOf(literal, at)
    if (found < 0) return false
    at = found + literal.length
  }
  return true
}

function parse(template: string): Part[] | undefined {
  const parts: Part[] = []
  let at = 0
  while (at < template.length) {
    const open = template.indexOf('{', at)
    const literal = template.slice(at, open < 0 ? undefined : open)
    if (literal.includes('}')) return undefined
    if (literal !== '') parts.push({ literal })
    if (open < 0) break
    const close = template.indexOf('}', open)
    const body = close < 0 ? '' : template.slice(open + 1, close)
    const operator = EXPRESSION.exec(body)?.[1]
    if (operator === undefined || parts.length >= 2 * MAX_EXPRESSIONS) return undefined
    parts.push(operator === '' && !body.includes('*') ? SIMPLE : (OPERATORS[operator === '' ? '+' : operator] as Expression))
    at = close + 1
  }
  return parts
}

/** Keeps for each part the set of places in the URI where it can end: no going back, so nothing grows exponentially. */
function fits(parts: readonly Part[], uri: string): boolean {
  let places = new Uint8Array(uri.length + 1)
  places[0] = 1
  for (const part of parts) {
    const next = new Uint8Array(uri.length + 1)
    if ('literal' in part) {
      for (let at = uri.indexOf(part.literal); at >= 0; at = uri.indexOf(part.literal, at + 1)) if (places[at] === 1) next[at + part.literal.length] = 1
    } else {
      let inside = false
      for (let at = 0; at <= uri.length; at++) {
        const starts = places[at] === 1
        // It ends before the character at `at`; one with an operator may be absent.
        if (inside || (starts && part.start !== '')) next[at] = 1
        const char = uri[at]
        if (char === undefined) break
        const goesOn = !part.stop.includes(char)
        inside = (inside && goesOn) || (starts && (part.start === '' ? goesOn : char === part.start))
      }
    }
    places = next
  }
  return places[uri.length] === 1
}
