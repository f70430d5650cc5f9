/** Slots of the fast part: a power of two at least as large as the usual number of exchanges at once. */
const SLOTS = 1_024

/**
 * Running exchanges by id. Ids count up by two and most exchanges are short, so a slot by id nearly always is free; what finds its
 * slot taken by a longer one goes to a Map. (A Map alone rehashes all the time under such churn: a third of the cost of a request.)
 */
export class ExchangeTable<T extends { id: number }> {
  size = 0
  private readonly slots: (T | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  private readonly others = new Map<number, T>()

  get(id: number): T | undefined {
    const found = this.slots[(id >>> 1) & (SLOTS - 1)]
    if (found !== undefined && found.id === id) return found
    return this.others.size === 0 ? undefined : this.others.get(id)
  }

  /** The id must not be in the table. */
  add(exchange: T): void {
    const slot = (exchange.id >>> 1) & (SLOTS - 1)
    if (this.slots[slot] === undefined) this.slots[slot] = exchange
    else this.others.set(exchange.id, exchange)
    this.size++
  }

  delete(id: number): void {
    const slot = (id >>> 1) & (SLOTS - 1)
    if (this.slots[slot]?.id === id) this.slots[slot] = undefined
    else if (!this.others.delete(id)) return
    this.size--
  }

  /** A copy, safe against changes while it is walked; in the order of ids. */
  list(): T[] {
    const all = [...this.slots.filter((exchange) => exchange !== undefined), ...this.others.values()]
    return all.toSorted((a, b) => a.id - b.id)
  }
}
