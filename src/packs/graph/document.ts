/** The attributes of a graph, a node or an edge: a JSON object. */
export type Attributes = Record<string, unknown>

export interface DocumentNode {
  id: string
  attributes: Attributes
}

export interface DocumentEdge {
  /** Names the edge within its graph; left out, the store gives one. */
  key?: string
  source: string
  target: string
  attributes: Attributes
}

/** A whole graph as plain data: what formats read and write and what the store takes in and gives out. */
export interface GraphDocument {
  directed: boolean
  /** Whether several edges may join the same two nodes. */
  multi: boolean
  attributes: Attributes
  nodes: DocumentNode[]
  edges: DocumentEdge[]
}
