import { describe, expect, test } from 'vitest'
import { COORDINATES_BYTES, DIMENSIONS, isWithinBounds, MAX_COORDINATE, MAX_ERROR, packCoordinates, unpackCoordinates, type NetworkCoordinates } from '../../../src/wire/coordinates.ts'
import { encodeSwimFrame } from '../../../src/wire/swim.ts'
import { SCOPE } from '../../support/swim-vectors.ts'

const PLACE: NetworkCoordinates = { vector: [1, -2, 3, -4, 5, -6, 7, -8.5], height: 0.5, error: 0.25, adjustment: -1.75 }

describe('network coordinates in bytes', () => {
  test('what is written is read, to a millionth', () => {
    expect(unpackCoordinates(packCoordinates(PLACE))).toEqual(PLACE)
    const fine = { ...PLACE, vector: PLACE.vector.map((value) => value * 1_034.567) }
    for (const [index, value] of unpackCoordinates(packCoordinates(fine))!.vector.entries()) expect(Math.abs(value / fine.vector[index]! - 1)).toBeLessThan(1e-6)
  })

  test('a window on a larger buffer is read as well', () => {
    const frame = new Uint8Array(100)
    frame.set(packCoordinates(PLACE), 7)
    expect(unpackCoordinates(frame.subarray(7, 7 + COORDINATES_BYTES))).toEqual(PLACE)
  })

  test.each<[string, Partial<NetworkCoordinates>]>([
    ['a point beyond the bounds', { vector: [...PLACE.vector.slice(0, 7), 10_001] }],
    ['one that is no number', { vector: [...PLACE.vector.slice(0, 7), NaN] }],
    ['one without end', { vector: [...PLACE.vector.slice(0, 7), -Infinity] }],
    ['a negative height', { height: -1 }],
    ['a height above all', { height: MAX_COORDINATE + 1 }],
    ['a negative error', { error: -0.5 }],
    ['an error above all', { error: MAX_ERROR + 0.01 }],
    ['an adjustment that is no number', { adjustment: NaN }],
    ['one beyond the bounds', { adjustment: -MAX_COORDINATE - 1 }]
  ])('%s is refused', (_what, parts) => {
    const place = { ...PLACE, ...parts }
    expect(isWithinBounds(place)).toBe(false)
    expect(() => unpackCoordinates(packCoordinates(place))).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL', message: expect.stringContaining('message.coordinates') as string }) as Error)
  })

  test('too few numbers are out of bounds', () => expect(isWithinBounds({ ...PLACE, vector: Array.from({ length: DIMENSIONS - 1 }, () => 0) })).toBe(false))

  test('they make an answer 59 bytes longer', () => {
    const size = (more: { coordinates?: NetworkCoordinates }) => encodeSwimFrame(SCOPE, { kind: 'ack', nonce: 2 ** 32 - 1, updates: [], ...more }).length
    console.log(`an ack without coordinates ${size({})} bytes, with them ${size({ coordinates: PLACE })}`)
    expect(size({ coordinates: PLACE }) - size({})).toBe(59)
  })
})
