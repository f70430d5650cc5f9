import type { Connection } from '@libp2p/interface'

/** Connections whose holder has shown a credential of our federation; everything else may only ask for admission. */
export interface AdmittedConnections {
  has(connection: Connection): boolean
  /** Resolves to whether it was admitted: at once if decided, else when our own `present` on it is answered. */
  decided(connection: Connection): Promise<boolean>
  /** @param expires when the credential that was shown ends, unix ms */
  admit(connection: Connection, expires: number): void
  /** Forgets the connection; waiters learn that it was not admitted. */
  remove(connection: Connection): void
  onAdmit(listener: (connection: Connection) => void): void
  /** An admitted connection is gone. */
  onRemove(listener: (connection: Connection) => void): void
  /** Admitted connections of a peer, oldest first. */
  of(peer: string): Connection[]
  /** Connections whose credential has ended and was not renewed. */
  expired(now: number): Connection[]
}

export function createAdmittedConnections(): AdmittedConnections {
  const admitted = new Map<string, { connection: Connection; expires: number }>()
  const waiters = new Map<string, ((admitted: boolean) => void)[]>()
  const listeners: ((connection: Connection) => void)[] = []
  const removeListeners: ((connection: Connection) => void)[] = []

  function settle(connection: Connection, result: boolean): void {
    const waiting = waiters.get(connection.id) ?? []
    waiters.delete(connection.id)
    for (const resolve of waiting) resolve(result)
  }

  return {
    has: (connection) => admitted.has(connection.id),
    decided(connection) {
      if (admitted.has(connection.id)) return Promise.resolve(true)
      // A dialler presents first on its connection, so a stranger that dialled us and asks for something else gets nothing.
      // On a connection that we dialled, the other side admits us a moment before we have its answer: wait for that.
      if (connection.direction === 'inbound' || connection.status !== 'open') return Promise.resolve(false)
      return new Promise((resolve) => {
        const list = waiters.get(connection.id) ?? []
        list.push(resolve)
        waiters.set(connection.id, list)
      })
    },
    admit(connection, expires) {
      if (connection.status !== 'open') return
      const known = admitted.has(connection.id)
      admitted.set(connection.id, { connection, expires })
      if (known) return
      settle(connection, true)
      for (const listener of listeners) listener(connection)
    },
    remove(connection) {
      const known = admitted.delete(connection.id)
      settle(connection, false)
      if (known) for (const listener of removeListeners) listener(connection)
    },
    onAdmit(listener) {
      listeners.push(listener)
    },
    onRemove(listener) {
      removeListeners.push(listener)
    },
    of: (peer) => [...admitted.values()].map((entry) => entry.connection).filter((connection) => connection.status === 'open' && connection.remotePeer.toString() === peer),
    expired: (now) => [...admitted.values()].filter((entry) => entry.expires <= now).map((entry) => entry.connection)
  }
}
