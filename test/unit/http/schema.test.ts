import { describe, expect, test } from 'vitest'
import { count, flag, list, mapOf, number, object, oneOf, schemaProblem, text, timeOrNull, type JsonSchema } from '../../../src/http/api/schema.ts'

const ORDER = object({ name: text() }, { size: count() })

describe('what fits', () => {
  test.each<[string, JsonSchema, unknown]>([
    ['an object with what it needs', ORDER, { name: 'x' }],
    ['and with what it may have', ORDER, { name: 'x', size: 0 }],
    ['what is undefined is not there', ORDER, { name: 'x', size: undefined }],
    ['a list', list(count()), [1, 2, 3]],
    ['keys that are data', mapOf(count()), { a: 1, b: 2 }],
    ['a whole number is a number', number(), 3],
    ['so is a fraction', number(), 3.5],
    ['one of the words', oneOf(['a', 'b']), 'b'],
    ['a flag', flag(), false],
    ['a time', timeOrNull(''), '2026-11-21T14:00:00.000Z'],
    ['no time', timeOrNull(''), null],
    ['anything', {}, { whatever: [1] }],
    ['any object', { type: 'object', required: ['a'] }, { a: 1, b: 2 }],
    ['a text in its limits', { type: 'string', minLength: 1, maxLength: 3 }, 'abc'],
    ['an integer in its limits', { type: 'integer', minimum: 1, maximum: 3 }, 3]
  ])('%s', (_what, schema, value) => expect(schemaProblem(schema, value, 'It')).toBeUndefined())
})

describe('what does not, with its place', () => {
  test.each<[string, JsonSchema, unknown, string]>([
    ['not an object', ORDER, [], 'It must be object, not array'],
    ['null', ORDER, null, 'It must be object, not null'],
    ['a missing field', ORDER, {}, 'It has no "name"'],
    ['a missing field that objects inherit', object({ toString: text() }), {}, 'It has no "toString"'],
    ['an unknown field', ORDER, { name: 'x', nam: 1 }, 'It has an unknown "nam"; known: name, size'],
    ['a field that objects inherit', ORDER, JSON.parse('{"name":"x","constructor":1}'), 'It has an unknown "constructor"; known: name, size'],
    ['the prototype', ORDER, JSON.parse('{"name":"x","__proto__":1}'), 'It has an unknown "__proto__"; known: name, size'],
    ['a wrong type inside', object({ inner: ORDER }), { inner: { name: 3 } }, 'It.inner.name must be string, not integer'],
    ['a wrong item', list(object({ a: flag() })), [{ a: true }, { a: 1 }], 'It[1].a must be boolean, not integer'],
    ['a wrong value of a map', mapOf(count()), { a: 1, b: 'x' }, 'It.b must be integer, not string'],
    ['a fraction', count(), 1.5, 'It must be integer, not number'],
    ['below', count(), -1, 'It must be at least 0, not -1'],
    ['above', { type: 'number', maximum: 5 }, 6, 'It must be at most 5, not 6'],
    ['another word', oneOf(['a', 'b']), 'c', 'It must be one of a, b, not "c"'],
    ['another constant', { const: true }, false, 'It must be true, not false'],
    ['too short', { type: 'string', minLength: 1 }, '', 'It must have at least 1 characters'],
    ['too long', { type: 'string', maxLength: 2 }, 'abc', 'It must have at most 2 characters'],
    ['too many', { type: 'array', maxItems: 1 }, [1, 2], 'It has 2 items; at most 1 are allowed'],
    ['no time', timeOrNull(''), 'yesterday', String.raw`It must match ^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$, not be "yesterday"`],
    ['a long value is cut', oneOf(['a']), 'x'.repeat(500), `It must be one of a, not "${'x'.repeat(63)}…`]
  ])('%s', (_what, schema, value, problem) => expect(schemaProblem(schema, value, 'It')).toBe(problem))
})
