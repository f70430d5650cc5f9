/** Parts smaller than this are gathered in one buffer, so that a body of one-byte parts does not become a million objects. */
const SMALL_PART = 4_096
const GATHER_BYTES = 16_384

/**
 * A body that comes in parts. Large parts that fill most of their memory are kept as they arrived and joined once at the end;
 * others are copied, so that a small part never keeps a large received chunk alive.
 */
export class Assembly {
  /** Body bytes so far. */
  size = 0
  parts: Uint8Array[] = []
  gather: Buffer | undefined
  gathered = 0

  add(part: Uint8Array): void {
    this.size += part.length
    if (part.length < SMALL_PART) {
      this.addSmall(part)
      return
    }
    this.seal()
    // Not part.slice(): a Buffer's slice is a view too.
    this.parts.push(part.length * 2 >= part.buffer.byteLength ? part : new Uint8Array(part))
  }

  finish(): Uint8Array {
    this.seal()
    const { parts } = this
    this.parts = []
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts, this.size)
  }

  addSmall(part: Uint8Array): void {
    if (this.gather === undefined || this.gathered + part.length > GATHER_BYTES) {
      this.seal()
      this.gather = Buffer.allocUnsafeSlow(GATHER_BYTES)
    }
    this.gather.set(part, this.gathered)
    this.gathered += part.length
  }

  seal(): void {
    if (this.gather !== undefined && this.gathered > 0) this.parts.push(this.gather.subarray(0, this.gathered))
    this.gather = undefined
    this.gathered = 0
  }
}
