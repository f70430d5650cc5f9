import type { ViewTool } from '../view-types.ts'

/** Tools of the federation that no list of this node has. What a search found can be described and called under its name for a while. */
export interface FarTools {
  /** By words, best first, at most `limit`. What cannot be asked in time is left out, and then the answer is `partial`; never rejects. */
  search(query: string, limit: number): Promise<{ tools: readonly ViewTool[]; partial: boolean }>
  /** `moved`: the name stands for the tool of another server by now. Undefined: no search found it lately. */
  find(name: string): 'found' | 'moved' | undefined
  /** With its definition; undefined: nobody gives it now. */
  describe(name: string): Promise<ViewTool | undefined>
}
