import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { inside } from './namespaces.ts'

/** What a member process said about another, stamped when its line arrived here; seconds of performance.now(). */
export interface Sighting {
  at: number
  observer: string
  /** `accused`: this observer found no answer itself. `refuted`: the observer defended itself. */
  event: 'joined' | 'failed' | 'left' | 'accused' | 'heard' | 'refuted' | 'note'
  about: string
  /** How an accusation was justified. */
  evidence?: string
}

export interface Place {
  index: number
  name: string
  address: string
  namespace?: string
}

export interface Started {
  place: Place
  child: ChildProcess
  pid: number
  /** Seconds of performance.now(). */
  began: number
}

/** A membership program that can be measured: how it is started, told and read. */
export interface Contender {
  name: string
  /** Program and arguments, to be run inside the place's namespace. */
  command(place: Place): string[]
  stdin: boolean
  /** `ready`, an answer to a question, or something seen; undefined for everything else. */
  read(line: string): 'ready' | Omit<Sighting, 'at' | 'observer'> | undefined
  /** Whatever must not count in the time of the join itself. */
  prepareJoin?(member: Started): Promise<void>
  join(member: Started, seed: Place): Promise<void>
  leave(member: Started): void
  /** After the last member has ended. */
  close?(): void
}

type View = 'joined' | 'failed' | 'left'

export interface MemberProcess extends Started {
  /** How it sees the others, itself included. */
  view: Map<string, View>
  ready: Promise<void>
  ended: Promise<void>
  running: boolean
  /** From spawn to ready, s. */
  startTime: number
}

export interface Cluster {
  readonly contender: Contender
  readonly places: readonly Place[]
  /** All that was seen since the start, oldest first. */
  readonly sightings: readonly Sighting[]
  /** Starts a member, again after it ended; resolves when it can be told to join. */
  start(index: number): Promise<MemberProcess>
  member(index: number): MemberProcess
  running(): MemberProcess[]
  /** Everybody who runs sees everybody who runs. */
  whole(): boolean
  /** Seconds from `from` until the condition held, looked at whenever something is seen; Infinity after `seconds`. */
  until(condition: () => boolean, from: number, seconds: number): Promise<number>
  /** Ends every process, by its id. */
  stop(): Promise<void>
}

export const seconds = (): number => performance.now() / 1000
export const pause = (s: number): Promise<void> => new Promise((done) => setTimeout(done, s * 1000))

/** Node with a cold cache on a loaded machine, many at a time. */
const READY_S = 120
/** A process does not notice that whoever started it was killed, least of all while it is stopped; the kernel does. */
const ENDS_WITH_US = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : []

export function createCluster(contender: Contender, places: readonly Place[], { echo }: { echo?: ((line: string) => void) | undefined } = {}): Cluster {
  const members = new Map<number, MemberProcess>()
  const sightings: Sighting[] = []
  const watchers = new Set<(seen: Sighting) => void>()

  function seen(member: MemberProcess, sighting: Sighting): void {
    sightings.push(sighting)
    if (sighting.event === 'joined' || sighting.event === 'failed' || sighting.event === 'left') member.view.set(sighting.about, sighting.event)
    for (const watch of watchers) watch(sighting)
  }

  async function start(index: number): Promise<MemberProcess> {
    const place = places[index] as Place
    const [program, ...args] = [...(place.namespace === undefined ? [] : inside(place.namespace)), ...ENDS_WITH_US, ...contender.command(place)] as [string, ...string[]]
    const began = seconds()
    const child = spawn(program, args, { stdio: [contender.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] })
    const ready = Promise.withResolvers<void>()
    const member: MemberProcess = {
      place, child, began, pid: child.pid ?? -1, view: new Map([[place.name, 'joined']]), ready: ready.promise,
      ended: new Promise((done) => child.once('close', () => done())), running: true, startTime: NaN
    }
    members.set(index, member)
    let tail = ''
    child.once('error', (error) => ready.reject(error))
    child.stdin?.on('error', () => {})
    child.once('exit', (code, signal) => {
      member.running = false
      ready.reject(new Error(`${contender.name} ${place.name} ended (${signal ?? code}) before it was ready: ${tail}`))
    })
    ready.promise.catch(() => {})
    for (const stream of [child.stdout, child.stderr]) {
      let partial = ''
      stream?.on('data', (chunk: Buffer) => {
        const at = seconds()
        const lines = (partial + chunk.toString()).split('\n')
        partial = lines.pop() ?? ''
        for (const line of lines) {
          echo?.(`${place.name} ${line}`)
          const read = contender.read(line)
          if (read === 'ready') ready.resolve()
          else if (read !== undefined) seen(member, { ...read, at, observer: place.name })
          else tail = `${tail}\n${line}`.slice(-2000)
        }
      })
    }
    const timer = setTimeout(() => ready.reject(new Error(`${contender.name} ${place.name} was not ready within ${READY_S} s: ${tail}`)), READY_S * 1000)
    try {
      await ready.promise
    } finally {
      clearTimeout(timer)
    }
    member.startTime = seconds() - began
    return member
  }

  const running = () => [...members.values()].filter((member) => member.running)

  return {
    contender,
    places,
    sightings,
    start,
    member: (index) => members.get(index) as MemberProcess,
    running,
    whole() {
      const all = running()
      return all.every(({ view }) => all.every(({ place }) => view.get(place.name) === 'joined'))
    },
    async until(condition, from, limit) {
      if (condition()) return seconds() - from
      const done = Promise.withResolvers<number>()
      const watch = ({ at }: Sighting) => condition() && done.resolve(at - from)
      watchers.add(watch)
      const timer = setTimeout(() => done.resolve(Infinity), limit * 1000)
      try {
        return await done.promise
      } finally {
        clearTimeout(timer)
        watchers.delete(watch)
      }
    },
    async stop() {
      for (const { child } of running()) {
        child.kill('SIGCONT')
        child.kill('SIGKILL')
      }
      await Promise.all([...members.values()].map(({ ended }) => ended))
      contender.close?.()
    }
  }
}
