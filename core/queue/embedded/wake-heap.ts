/** Wake-up times by key: a binary heap in which a key stands once, with its earliest time. */

export interface WakeHeap {
  /** The earliest time wins. */
  put(key: string, atMs: number): void
  remove(key: string): void
  has(key: string): boolean
  peekMs(): number | null
  /** The first key that is due, taken out; null when none is. */
  take(nowMs: number): string | null
  clear(): void
}

interface Item {
  readonly key: string
  readonly atMs: number
}

/** Outdated items stay in the heap until they surface; `times` says which item counts. */
export function createWakeHeap(): WakeHeap {
  const heap: Item[] = []
  const times = new Map<string, number>()
  const atOf = (index: number): number => heap[index]?.atMs ?? Number.POSITIVE_INFINITY
  const swap = (left: number, right: number): void => {
    const item = heap[left] as Item
    heap[left] = heap[right] as Item
    heap[right] = item
  }
  const push = (item: Item): void => {
    heap.push(item)
    for (let index = heap.length - 1; index > 0;) {
      const parent = (index - 1) >> 1
      if (atOf(parent) <= atOf(index)) return
      swap(parent, index)
      index = parent
    }
  }
  const pop = (): void => {
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    for (let index = 0; ;) {
      const left = index * 2 + 1
      const child = atOf(left + 1) < atOf(left) ? left + 1 : left
      if (atOf(index) <= atOf(child)) return
      swap(index, child)
      index = child
    }
  }
  const first = (): Item | undefined => {
    for (let item = heap[0]; item !== undefined; item = heap[0]) {
      if (times.get(item.key) === item.atMs) return item
      pop()
    }
    return undefined
  }
  return {
    put: (key, atMs) => {
      const known = times.get(key)
      if (known !== undefined && known <= atMs) return
      times.set(key, atMs)
      push({ key, atMs })
    },
    remove: (key) => void times.delete(key),
    has: (key) => times.has(key),
    peekMs: () => first()?.atMs ?? null,
    take: (nowMs) => {
      const item = first()
      if (item === undefined || item.atMs > nowMs) return null
      times.delete(item.key)
      pop()
      return item.key
    },
    clear: () => {
      heap.length = 0
      times.clear()
    },
  }
}
