import type { Attributes, GraphDocument } from '../document.ts'
import { escapeXml } from './xml.ts'

/** GraphML has no lists, objects and nulls: such values are JSON in a string, marked on the key so that we read them back as they were. */
export const JSON_MARK = 'skein.json'
/** GraphML does not say whether edges may repeat. */
export const MULTI_MARK = 'skein.multi'

interface Key {
  id: string
  line: string
}

/** GraphML 1.0 (http://graphml.graphdrawing.org): attributes are declared as keys, one for each name, place and type. */
export function writeGraphml(document: GraphDocument): string {
  const keys = new Map<string, Key>()
  const dataOf = (attributes: Attributes, place: 'graph' | 'node' | 'edge', indent: string) =>
    Object.entries(attributes).map(([name, value]) => {
      const { type, text, isJson } = encode(value)
      const identity = JSON.stringify([place, name, type, isJson])
      let key = keys.get(identity)
      if (key === undefined) {
        const id = `d${keys.size}`
        const mark = isJson ? ` ${JSON_MARK}="true"` : ''
        key = { id, line: `  <key id="${id}" for="${place}" attr.name="${escapeXml(name)}" attr.type="${type}"${mark}/>` }
        keys.set(identity, key)
      }
      return `${indent}<data key="${key.id}">${escapeXml(text)}</data>`
    })
  const body: string[] = dataOf(document.attributes, 'graph', '    ')
  const element = (tag: string, name: string, data: string[]) => {
    if (data.length === 0) body.push(`    <${tag}/>`)
    else body.push(`    <${tag}>`, ...data, `    </${name}>`)
  }
  for (const { id, attributes } of document.nodes) element(`node id="${escapeXml(id)}"`, 'node', dataOf(attributes, 'node', '      '))
  for (const { key, source, target, attributes } of document.edges) {
    const id = key === undefined ? '' : ` id="${escapeXml(key)}"`
    element(`edge${id} source="${escapeXml(source)}" target="${escapeXml(target)}"`, 'edge', dataOf(attributes, 'edge', '      '))
  }
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ...[...keys.values()].map(({ line }) => line),
    `  <graph edgedefault="${document.directed ? 'directed' : 'undirected'}" ${MULTI_MARK}="${document.multi}">`,
    ...body,
    '  </graph>',
    '</graphml>',
    ''
  ].join('\n')
}

function encode(value: unknown): { type: string; text: string; isJson: boolean } {
  if (typeof value === 'boolean') return { type: 'boolean', text: String(value), isJson: false }
  if (typeof value === 'number') return { type: Number.isSafeInteger(value) && !Object.is(value, -0) ? 'long' : 'double', text: Object.is(value, -0) ? '-0' : String(value), isJson: false }
  if (typeof value === 'string' && isXmlText(value)) return { type: 'string', text: value, isJson: false }
  return { type: 'string', text: JSON.stringify(value), isJson: true }
}

/** XML 1.0 has no place for most control characters, not even as references; JSON escapes them. */
function isXmlText(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- these are what it looks for
  return text.isWellFormed() && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text)
}
