import { execFileSync } from 'node:child_process'

/**
 * A little Internet of network namespaces: a bridge with public addresses (11.0.0.0/24, which no private range contains; nothing leaves
 * the machine), machines on it, and routers that hide a private network each behind one public address (nftables).
 */
export interface NatWorld {
  /** A machine with a public address. @returns its namespace */
  open(): { namespace: string; address: string }
  /**
   * A machine behind a router of its own. `keeping`: the router keeps the numbers of ports, as most do; `symmetric`: every connection
   * gets another one. Either lets in only what answers, and drops the rest without a word.
   */
  behind(nat: 'keeping' | 'symmetric'): { namespace: string; address: string; router: string }
  /** Lets all connections to a port of the router through to the machine. */
  forward(machine: { router: string; address: string }, port: number): void
  remove(): void
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
}

function inNamespace(namespace: string, ...args: string[]): string {
  return ip('netns', 'exec', namespace, ...args)
}

/** Why this machine cannot do it, or undefined. */
export function natMissing(tag: string): string | undefined {
  const world = createNatWorld(`${tag}q`)
  try {
    world.behind('symmetric')
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  } finally {
    world.remove()
  }
}

/** @param tag starts every name, with the process id in it so that parallel runs keep apart */
export function createNatWorld(tag: string): NatWorld {
  const made: string[] = []
  let machines = 0
  const add = (name: string): string => {
    ip('netns', 'add', name)
    made.push(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    return name
  }
  let wan: string | undefined

  function plug(namespace: string, address: string): void {
    if (wan === undefined) {
      wan = add(`${tag}-wan`)
      ip('-n', wan, 'link', 'add', 'cable', 'type', 'bridge')
      ip('-n', wan, 'link', 'set', 'cable', 'up')
    }
    const port = `p${machines}`
    ip('-n', wan, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'wan', 'netns', namespace)
    ip('-n', wan, 'link', 'set', port, 'master', 'cable')
    ip('-n', wan, 'link', 'set', port, 'up')
    ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'wan')
    ip('-n', namespace, 'link', 'set', 'wan', 'up')
  }

  return {
    open() {
      const namespace = add(`${tag}-m${++machines}`)
      const address = `11.0.0.${machines}`
      plug(namespace, address)
      return { namespace, address }
    },
    behind(nat) {
      const router = add(`${tag}-r${++machines}`)
      plug(router, `11.0.0.${machines}`)
      const namespace = add(`${tag}-m${machines}`)
      const lan = `10.${100 + machines}.0`
      ip('-n', router, 'link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
      ip('-n', router, 'addr', 'add', `${lan}.1/24`, 'dev', 'lan')
      ip('-n', router, 'link', 'set', 'lan', 'up')
      ip('-n', namespace, 'addr', 'add', `${lan}.2/24`, 'dev', 'eth0')
      ip('-n', namespace, 'link', 'set', 'eth0', 'up')
      ip('-n', namespace, 'route', 'add', 'default', 'via', `${lan}.1`)
      inNamespace(router, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
      const rules = `
        table ip nat {
          chain pre { type nat hook prerouting priority -100; }
          chain post { type nat hook postrouting priority 100; oifname "wan" masquerade${nat === 'symmetric' ? ' fully-random' : ''}; }
        }
        table ip filter {
          chain in { type filter hook input priority 0; policy accept; iifname "wan" ct state new,invalid drop; }
          chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname "lan" oifname "wan" accept; ct status dnat accept; }
        }`
      execFileSync('ip', ['netns', 'exec', router, 'nft', '-f', '-'], { input: rules, stdio: ['pipe', 'pipe', 'pipe'] })
      return { namespace, address: `${lan}.2`, router }
    },
    forward({ router, address }, port) {
      inNamespace(router, 'nft', `add rule ip nat pre iifname "wan" tcp dport ${port} dnat to ${address}`)
    },
    remove() {
      for (const name of made.splice(0)) {
        try {
          ip('netns', 'del', name)
        } catch {
          // Somebody else removed it.
        }
      }
    }
  }
}
