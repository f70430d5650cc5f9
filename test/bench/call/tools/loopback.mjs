// Loaded before a gateway that cannot be told where to listen: whatever it opens is on loopback only.
import { Server } from 'node:net'

const { listen } = Server.prototype
Server.prototype.listen = function (first, ...rest) {
  if (typeof first === 'object' && first !== null) return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest)
  const callback = rest.find((value) => typeof value === 'function')
  return listen.call(this, Number(first), '127.0.0.1', ...(callback === undefined ? [] : [callback]))
}
