import type { Exchange } from './exchange.ts'

/** First in, first out, through a link in the exchange itself; an exchange waits in one line at a time. */
export class Turns {
  private first: Exchange | undefined = undefined
  private last: Exchange | undefined = undefined

  push(exchange: Exchange): void {
    exchange.inTurn = true
    exchange.nextTurn = undefined
    if (this.last === undefined) this.first = exchange
    else this.last.nextTurn = exchange
    this.last = exchange
  }

  shift(): Exchange | undefined {
    const exchange = this.first
    if (exchange === undefined) return undefined
    this.first = exchange.nextTurn
    if (this.first === undefined) this.last = undefined
    exchange.nextTurn = undefined
    exchange.inTurn = false
    return exchange
  }
}
