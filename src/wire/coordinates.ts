import { SkeinError } from '../base/errors.ts'

/** Where a member is in the space of network coordinates (protocols/swim.md), in ms. An immutable value. */
export interface NetworkCoordinates {
  /** A point in Euclidean space, DIMENSIONS numbers. */
  readonly vector: readonly number[]
  /** The way from there to the open network, as over a slow access line; 0 or more. */
  readonly height: number
  /** How wrong its owner finds its predictions: a share, 0 to MAX_ERROR. */
  readonly error: number
  /** What predictions to and from it were wrong by lately, halved. */
  readonly adjustment: number
}

/** Dabek et al. found little gain above five; Serf has eight. Part of the protocol: members with others could not compare. */
export const DIMENSIONS = 8
/** No coordinate, height or adjustment is beyond this, ms: it is the longest round trip that counts. */
export const MAX_COORDINATE = 10_000
/** Who knows nothing starts with this. */
export const MAX_ERROR = 1.5

/** The one version that there is. */
const VERSION = 1
const FLOAT_BYTES = 4
/** The version, the vector, height, error and adjustment. */
export const COORDINATES_BYTES = 1 + (DIMENSIONS + 3) * FLOAT_BYTES

/** False for anything that is not a number, or beyond the bounds. */
export function isWithinBounds({ vector, height, error, adjustment }: NetworkCoordinates): boolean {
  const near = (value: number) => Math.abs(value) <= MAX_COORDINATE
  return vector.length === DIMENSIONS && vector.every(near) && height >= 0 && near(height) && error >= 0 && error <= MAX_ERROR && near(adjustment)
}

/** COORDINATES_BYTES bytes. Numbers of 32 bits: at 10 s they are exact to 1 microsecond, and the answers to all probes carry them. */
export function packCoordinates({ vector, height, error, adjustment }: NetworkCoordinates): Uint8Array {
  const bytes = new Uint8Array(COORDINATES_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, VERSION)
  for (const [index, value] of [...vector, height, error, adjustment].entries()) view.setFloat32(1 + index * FLOAT_BYTES, value)
  return bytes
}

/** Undefined for those of a later version. Throws SKEIN_PROTOCOL for what is none, or beyond the bounds. */
export function unpackCoordinates(bytes: Uint8Array): NetworkCoordinates | undefined {
  if (bytes[0] !== undefined && bytes[0] > VERSION) return undefined
  if (bytes.length !== COORDINATES_BYTES || bytes[0] !== VERSION) throw wrong(`version ${VERSION} has ${COORDINATES_BYTES} bytes, the first of them ${VERSION}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = (index: number) => view.getFloat32(1 + index * FLOAT_BYTES)
  const vector = Array.from({ length: DIMENSIONS }, (_, index) => at(index))
  const coordinates = { vector, height: at(DIMENSIONS), error: at(DIMENSIONS + 1), adjustment: at(DIMENSIONS + 2) }
  if (!isWithinBounds(coordinates)) throw wrong(`numbers up to ${MAX_COORDINATE}, a height of 0 or more and an error up to ${MAX_ERROR} are wanted`)
  return coordinates
}

function wrong(message: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', `message.coordinates: ${message}`)
}
