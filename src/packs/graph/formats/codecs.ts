import { SkeinError } from '../../../base/errors.ts'
import type { GraphDocument } from '../document.ts'
import type { GraphLimits } from '../limits.ts'
import { readEdgeList, writeEdgeList } from './edge-list.ts'
import { readGraphml } from './graphml-read.ts'
import { writeGraphml } from './graphml-write.ts'
import { readNodeLink, writeNodeLink } from './node-link.ts'

export const FORMATS = ['edge_list', 'node_link', 'graphml'] as const
export type Format = (typeof FORMATS)[number]

interface Codec {
  read(text: string, options: { directed?: boolean | undefined; multi?: boolean | undefined }, limits: GraphLimits): GraphDocument
  write(document: GraphDocument): string
}

const CODECS: Record<Format, Codec> = {
  edge_list: { read: readEdgeList, write: writeEdgeList },
  node_link: { read: readNodeLink, write: writeNodeLink },
  graphml: { read: readGraphml, write: writeGraphml }
}

/** @throws SKEIN_BAD_REQUEST naming the place, SKEIN_LIMIT */
export function readDocument(
  format: Format,
  text: string,
  options: { directed?: boolean | undefined; multi?: boolean | undefined },
  limits: GraphLimits
): GraphDocument {
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.maxDocumentBytes) {
    throw new SkeinError('SKEIN_LIMIT', `The document has ${bytes} bytes, ${limits.maxDocumentBytes} are allowed; import a part and add the rest with add_nodes and add_edges`)
  }
  return CODECS[format].read(text, options, limits)
}

/** @throws SKEIN_LIMIT when the text would be too long for a message */
export function writeDocument(format: Format, document: GraphDocument, limits: GraphLimits): string {
  const text = CODECS[format].write(document)
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.maxDocumentBytes) {
    const hint = format === 'edge_list' ? 'remove nodes first' : 'take the format edge_list, which is shorter, or remove nodes or attributes first'
    throw new SkeinError('SKEIN_LIMIT', `The document would have ${bytes} bytes, ${limits.maxDocumentBytes} are allowed; ${hint}`)
  }
  return text
}
