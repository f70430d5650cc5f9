/** Runs of capitals that end before a capitalised word (`HTTPServer`), words, digits; other scripts by letter class. */
const PARTS = /\p{Lu}+(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{M}]+|\p{N}+/gu
const WORDS = /[\p{L}\p{M}]+|\p{N}+/gu

/** The parts of a name: `getHTTPServer_info2` gives get, http, server, info, 2. */
export function nameWords(name: string): string[] {
  return (name.match(PARTS) ?? []).map((part) => singular(part.toLowerCase()))
}

/** The words of a text. */
export function textWords(text: string): string[] {
  return (text.toLowerCase().match(WORDS) ?? []).map(singular)
}

/** The plurals of English, roughly: `files` finds `file`. Both sides are treated alike, so a wrong guess does no harm. */
function singular(word: string): string {
  if (word.length < 4 || !word.endsWith('s') || word.endsWith('ss')) return word
  return word.endsWith('ies') ? `${word.slice(0, -3)}y` : word.slice(0, -1)
}
