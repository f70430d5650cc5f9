import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/**
 * Network namespaces of a test or bench: made with unique names, removed as a whole. Loss is made with nftables in the input
 * hook, where the sender does not notice it (many kernels come without netem).
 */
export interface Namespaces {
  /** One namespace with nothing but loopback. */
  single(): string
  /**
   * One namespace a member, 10.77.0.(index + 1)/24 on eth0, the first half on one bridge and the rest on another; the bridges
   * hang together by one cable that can be cut.
   */
  mesh(members: number): string[]
  /** Cuts or mends the cable between the halves: packets vanish, nobody is told. */
  cable(state: 'down' | 'up'): void
  /** The interface of one member of the mesh. */
  link(namespace: string, state: 'down' | 'up'): void
  /** Drops this share of all packets that come in. */
  lose(namespace: string, percent: number): void
  /** Ends the loss; returns how many packets it took. */
  loseNothing(namespace: string): number
  /** Packets between two members vanish, at both ends and in both directions; nobody is told. */
  block(one: string, other: string): void
  /** Ends what `block` began. */
  unblock(one: string, other: string): void
  /** Where a member of the mesh is. */
  addressOf(namespace: string): string
  /** Removes all of them; nothing happens to processes inside. */
  remove(): void
}

/** The words before a command that is to run inside. */
export function inside(namespace: string): string[] {
  return ['ip', 'netns', 'exec', namespace]
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
}

function nft(namespace: string, ...args: string[]): string {
  return ip('netns', 'exec', namespace, 'nft', ...args)
}

/** Why this machine cannot do it, or undefined. Tries rather than guessing from the user id: a container's root may not be allowed to. */
export function namespacesMissing(tag: string, { loss = false } = {}): string | undefined {
  const probe = `${tag}-probe`
  try {
    ip('netns', 'add', probe)
    ip('-n', probe, 'link', 'set', 'lo', 'up')
    if (loss) nft(probe, 'add table inet loss')
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  } finally {
    try {
      ip('netns', 'del', probe)
    } catch {
      // It was never made.
    }
  }
}

/** Removes what runs that were killed have left: names of this prefix with the id of a process that is gone. */
export function removeAbandoned(prefix: string): void {
  for (const [name = '', pid = ''] of ip('netns', 'list').matchAll(new RegExp(`^${prefix}(\\d+)\\S*`, 'gm'))) {
    if (!existsSync(`/proc/${pid}`)) ip('netns', 'del', name)
  }
}

/** @param tag starts every name, with the process id in it so that parallel runs keep apart */
export function createNamespaces(tag: string): Namespaces {
  const made = new Set<string>()
  const hub = `${tag}-hub`
  /** One table for each blocked member, so that each can be let in again by itself. */
  const cutOf = (namespace: string) => `cut${namespace.slice(tag.length + 1)}`
  const addressOf = (namespace: string) => `10.77.0.${Number(namespace.slice(tag.length + 1)) + 1}`
  const add = (name: string): string => {
    ip('netns', 'add', name)
    made.add(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    return name
  }

  return {
    single: () => add(`${tag}-one`),
    mesh(members) {
      add(hub)
      const onHub = (...args: string[]) => ip('-n', hub, 'link', ...args)
      for (const bridge of ['half0', 'half1']) onHub('add', bridge, 'type', 'bridge')
      onHub('add', 'cable0', 'type', 'veth', 'peer', 'name', 'cable1')
      for (const side of ['0', '1']) onHub('set', `cable${side}`, 'master', `half${side}`)
      for (const name of ['half0', 'half1', 'cable0', 'cable1']) onHub('set', name, 'up')
      return Array.from({ length: members }, (_, index) => {
        const name = add(`${tag}-${index}`)
        onHub('add', `port${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
        onHub('set', `port${index}`, 'master', index < members / 2 ? 'half0' : 'half1')
        onHub('set', `port${index}`, 'up')
        ip('-n', name, 'addr', 'add', `10.77.0.${index + 1}/24`, 'dev', 'eth0')
        ip('-n', name, 'link', 'set', 'eth0', 'up')
        return name
      })
    },
    cable: (state) => void ip('-n', hub, 'link', 'set', 'cable0', state),
    link: (namespace, state) => void ip('-n', namespace, 'link', 'set', 'eth0', state),
    lose(namespace, percent) {
      nft(
        namespace,
        `add table inet loss; add chain inet loss in { type filter hook input priority 0; policy accept; }; add rule inet loss in numgen random mod 100 < ${percent} counter drop`
      )
    },
    loseNothing(namespace) {
      const rules = nft(namespace, 'list table inet loss')
      nft(namespace, 'delete table inet loss')
      return Number(/packets (\d+)/.exec(rules)?.[1] ?? NaN)
    },
    block(one, other) {
      for (const [at, from] of [[one, other], [other, one]] as const) {
        const table = cutOf(from)
        nft(at, `add table inet ${table}; add chain inet ${table} in { type filter hook input priority 0; policy accept; }; add rule inet ${table} in ip saddr ${addressOf(from)} counter drop`)
      }
    },
    unblock(one, other) {
      for (const [at, from] of [[one, other], [other, one]] as const) nft(at, `delete table inet ${cutOf(from)}`)
    },
    addressOf,
    remove() {
      for (const name of made) {
        try {
          ip('netns', 'del', name)
        } catch {
          // Somebody else removed it.
        }
        made.delete(name)
      }
    }
  }
}
