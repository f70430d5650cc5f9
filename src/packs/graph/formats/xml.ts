import { badDocument } from './errors.ts'

/** What a reader of XML meets, in order. */
export type XmlEvent =
  | { kind: 'open'; name: string; attributes: Map<string, string>; line: number }
  | { kind: 'close'; name: string; line: number }
  | { kind: 'text'; text: string; line: number }

const NAMED = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"]
])
const TAG = /<(\/?)([A-Za-z_:][\w:.-]*)((?:\s+[A-Za-z_:][\w:.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y
const ATTRIBUTE = /([A-Za-z_:][\w:.-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g
/** GraphML needs four levels; a nested graph would need a few more. */
const MAX_DEPTH = 32

/**
 * Reads as much XML as GraphML needs: elements, attributes, text, CDATA, comments and the five named entities. A DOCTYPE is
 * refused, because entities of its own can grow without bound. Names are given without their namespace prefix.
 * @throws SKEIN_BAD_REQUEST naming the line
 */
export function* readXml(text: string): Generator<XmlEvent> {
  const open: string[] = []
  let at = text.startsWith('\ufeff') ? 1 : 0
  let line = 1
  let seenRoot = false
  const skipTo = (end: number) => {
    for (; at < end; at++) if (text.charCodeAt(at) === 10) line += 1
  }
  const endOf = (mark: string, what: string) => {
    const end = text.indexOf(mark, at)
    if (end === -1) throw badDocument(`Line ${line}`, `${what} is not closed; it needs ${mark}`)
    return end
  }
  while (at < text.length) {
    const here = line
    if (text[at] !== '<') {
      const next = text.indexOf('<', at)
      const end = next === -1 ? text.length : next
      const raw = text.slice(at, end)
      if (open.length === 0 && raw.trim() !== '') throw badDocument(`Line ${line}`, 'text outside of the <graphml> element')
      if (open.length > 0) yield { kind: 'text', text: decode(raw, line), line: here }
      skipTo(end)
    } else if (text.startsWith('<!--', at)) {
      skipTo(endOf('-->', 'a comment') + 3)
    } else if (text.startsWith('<![CDATA[', at)) {
      const end = endOf(']]>', 'a CDATA section')
      if (open.length === 0) throw badDocument(`Line ${line}`, 'text outside of the <graphml> element')
      yield { kind: 'text', text: text.slice(at + 9, end), line: here }
      skipTo(end + 3)
    } else if (text.startsWith('<?', at)) {
      skipTo(endOf('?>', 'a processing instruction') + 2)
    } else if (text.startsWith('<!', at)) {
      throw badDocument(`Line ${line}`, 'a DOCTYPE is not accepted; remove it')
    } else {
      TAG.lastIndex = at
      const tag = TAG.exec(text)
      // Kept here: while a yield waits, another reader may use the same expression.
      const end = TAG.lastIndex
      if (tag === null) throw badDocument(`Line ${line}`, `this is not a well-formed tag: ${text.slice(at, at + 40).split('\n')[0]}`)
      const name = local(tag[2]!)
      if (tag[1] === '/') {
        if (open.pop() !== tag[2]) throw badDocument(`Line ${line}`, `</${tag[2]}> does not close the element that is open`)
        yield { kind: 'close', name, line: here }
      } else {
        if (open.length === 0 && seenRoot) throw badDocument(`Line ${line}`, `a second root element <${tag[2]}>; a document has one`)
        if (open.length >= MAX_DEPTH) throw badDocument(`Line ${line}`, `elements are nested deeper than ${MAX_DEPTH} levels`)
        seenRoot = true
        yield { kind: 'open', name, attributes: attributesOf(tag[3]!, line), line: here }
        if (tag[4] === '/') yield { kind: 'close', name, line: here }
        else open.push(tag[2]!)
      }
      skipTo(end)
    }
  }
  if (open.length > 0) throw badDocument(`Line ${line}`, `the document ends before </${open.at(-1)}>`)
  if (!seenRoot) throw badDocument(`Line ${line}`, 'there is no element; a GraphML document starts with <graphml>')
}

function attributesOf(text: string, line: number): Map<string, string> {
  const attributes = new Map<string, string>()
  for (const [, name, double, single] of text.matchAll(ATTRIBUTE)) {
    if (attributes.has(name!)) throw badDocument(`Line ${line}`, `the attribute ${name} appears twice`)
    // XML reads a raw line break or tab in an attribute as a space.
    attributes.set(name!, decode((double ?? single!).replace(/\r\n|[\r\n\t]/g, ' '), line))
  }
  return attributes
}

function decode(text: string, line: number): string {
  return text.replace(/&([^;&\s]{0,10});?/g, (whole, body: string) => {
    const named = whole.endsWith(';') ? NAMED.get(body) : undefined
    if (named !== undefined) return named
    const number = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(body)
    const code = number === null || !whole.endsWith(';') ? -1 : number[1] === undefined ? Number(number[2]) : Number.parseInt(number[1], 16)
    if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw badDocument(`Line ${line}`, `${whole.slice(0, 20)} is not a character reference; write a plain & as &amp;`)
    }
    return String.fromCodePoint(code)
  })
}

function local(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

/** Text as it may stand between tags and in attributes; line breaks and tabs are kept by writing them as references. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"\t\n\r]/g, (character) => {
    if (character === '<') return '&lt;'
    if (character === '>') return '&gt;'
    if (character === '&') return '&amp;'
    return character === '"' ? '&quot;' : `&#${character.charCodeAt(0)};`
  })
}
