import type { StatementSeal } from '../../src/membership/ports.ts'
import type { AliveStatement, Sealed, Statement } from '../../src/wire/swim-types.ts'

/** What the subjects really said, kept by the world and not by any machine: the truth against which the machines are checked. */
export interface Registry {
  /** Statements of `subject` at `incarnation`; two only when two processes have one identity. */
  said(subject: string, incarnation: number): readonly Sealed[]
  latest(subject: string): Sealed<AliveStatement> | undefined
  /** A process put another's name under a statement. */
  readonly misspoken: string[]
  /** All alive statements, in order of issue, at most `KEPT`: to be said again out of time. */
  readonly issued: Sealed[]
  readonly count: number
}

/** Old statements kept for replays: enough that some are several lives old. */
const KEPT = 256

/** Sizes on the wire, roughly: an alive statement carries a credential bundle of about 500 bytes, the others 64 bytes of signature and two names. */
const BYTES: Record<Statement['kind'], number> = { alive: 720, leave: 190, suspect: 250, dead: 240 }

let written = 0

/** As long as the real one and unlike any other. */
function bytesFor(kind: Statement['kind']): Uint8Array {
  const bytes = new Uint8Array(BYTES[kind])
  written++
  bytes[0] = written
  bytes[1] = written >>> 8
  bytes[2] = written >>> 16
  bytes[3] = written >>> 24
  return bytes
}

const forged = new WeakSet<Sealed>()

/** A statement whose signature does not hold. */
export function forge<S extends Statement>(statement: S): Sealed<S> {
  const sealed = { statement, bytes: bytesFor(statement.kind) }
  forged.add(sealed)
  return sealed
}

export function createRegistry(): Registry & { sealFor(self: string): StatementSeal } {
  const said = new Map<string, Map<number, Sealed[]>>()
  const latest = new Map<string, Sealed<AliveStatement>>()
  const misspoken: string[] = []
  const issued: Sealed[] = []
  let count = 0

  function note(sealed: Sealed): void {
    const { subject, incarnation } = sealed.statement
    let of = said.get(subject)
    if (of === undefined) said.set(subject, (of = new Map()))
    const before = of.get(incarnation)
    if (before === undefined) of.set(incarnation, [sealed])
    else before.push(sealed)
    const newest = latest.get(subject)
    if (sealed.statement.kind === 'alive' && (newest === undefined || newest.statement.incarnation <= incarnation)) {
      latest.set(subject, sealed as Sealed<AliveStatement>)
    }
  }

  return {
    said: (subject, incarnation) => said.get(subject)?.get(incarnation) ?? [],
    latest: (subject) => latest.get(subject),
    misspoken,
    issued,
    get count() {
      return count
    },
    sealFor: (self) => ({
      seal(statement) {
        count++
        const own = statement.kind === 'alive' || statement.kind === 'leave'
        const speaker = own ? statement.subject : statement.accuser
        if (speaker !== self) misspoken.push(`${self} signed a ${statement.kind} as ${speaker}`)
        const sealed = { statement, bytes: bytesFor(statement.kind) }
        if (own) note(sealed)
        if (issued.length < KEPT) issued.push(sealed)
        else issued[count % KEPT] = sealed
        return sealed
      },
      verify: (sealed) => !forged.has(sealed),
      standing: (alive) => (alive.credential === STRANGER ? undefined : { tier: 'node', region: 'here' })
    })
  }
}

export const CREDENTIAL: AliveStatement['credential'] = { authority: new Uint8Array(32), certificate: new Uint8Array(0), credential: new Uint8Array(0) }

/** A credential that does not hold. */
export const STRANGER: AliveStatement['credential'] = { authority: new Uint8Array(32), certificate: new Uint8Array(0), credential: new Uint8Array(0) }
