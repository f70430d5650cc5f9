import { describe, expect, test } from 'vitest'
import { uriMatcher } from '../../../src/mcp/uri-template.ts'

const fits = (template: string, uri: string) => uriMatcher(template)?.(uri)

test.each([
  ['a://b', 'a://b', true],
  ['a://b', 'a://bc', false],
  ['a://{x}', 'a://1', true],
  ['a://{x}', 'a://', false],
  ['a://{x}', 'a://1/2', false],
  ['a://{x}', 'a://1?q', false],
  ['a://{x}/c', 'a://1/c', true],
  ['a://{x}/c', 'a://1/d', false],
  ['a://{x}-{y}', 'a://1-2-3', true],
  ['a://{x}{y}', 'a://1', false],
  ['a://{x}{y}', 'a://12', true],
  ['a://{x,y}', 'a://1,2', true],
  ['file:///{+path}', 'file:///a/b.txt?c', true],
  ['file:///{path*}', 'file:///a/b', true],
  ['file:///{+path}.md', 'file:///a.md/b.md', true],
  ['file:///{+path}.md', 'file:///a.txt', false],
  ['a://b{/x,y}', 'a://b/1/2', true],
  ['a://b{/x}', 'a://b', true],
  ['a://b{/x}', 'a://bc', false],
  ['a://b{?q,r}', 'a://b?q=1&r=/2', true],
  ['a://b{?q}', 'a://b', true],
  ['a://b{?q}', 'a://b&q=1', false],
  ['a://b?x=1{&q}', 'a://b?x=1&q=2', true],
  ['a://b{.ext}', 'a://b.json', true],
  ['a://b{.ext}', 'a://b.json/c', false],
  ['a://b{;p}', 'a://b;p=1', true],
  ['a://b{#f}', 'a://b#c/d', true],
  ['a://b{?q}{#f}', 'a://b#c', true],
  ['a://{x:3}', 'a://123', true],
  ['a://{naïve}', 'a://1', undefined],
  ['a://{x', 'a://1', undefined],
  ['a://x}', 'a://x}', undefined],
  ['a://{}', 'a://', undefined],
  ['a://{=x}', 'a://1', undefined],
  ['', '', true]
])('%s and %s: %s', (template, uri, expected) => expect(fits(template, uri)).toBe(expected))

describe('bounds', () => {
  test('expressions of a template, length of a URI', () => {
    expect(uriMatcher('{a}'.repeat(8))).toBeDefined()
    expect(uriMatcher('{a}/'.repeat(9))).toBeUndefined()
    expect(uriMatcher(`x:${'a'.repeat(1_022)}`)).toBeDefined()
    expect(uriMatcher(`x:${'a'.repeat(1_023)}`)).toBeUndefined()
    expect(fits('{+a}', 'x'.repeat(4_096))).toBe(true)
    expect(fits('{+a}', 'x'.repeat(4_097))).toBe(false)
  })

  test('the worst template for a matcher that goes back takes no time', () => {
    const from = performance.now()
    expect(fits(`${'{+a}x'.repeat(8)}!`, 'x'.repeat(4_096))).toBe(false)
    // Literals that fit, or nearly fit, everywhere.
    for (const literal of ['x'.repeat(120), `${'x'.repeat(119)}y`]) fits(`{+a}${literal}`.repeat(8), 'x'.repeat(4_096))
    // Going back 8 levels over 4 096 characters would never end.
    expect(performance.now() - from).toBeLessThan(500)
  })
})
