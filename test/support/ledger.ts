/**
 * The oracle of the fault tests: what was sent, what was acknowledged and what arrived, written down outside the hub,
 * line by line, so that it survives whatever the hub does. The final account compares it with what the hub says.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

export interface Account {
  /** Sent, whether answered or not. */
  readonly sent: number
  /** Answered with success. */
  readonly acknowledged: number
  readonly received: number
  /** Acknowledged but not stored: the promise that must never break. */
  readonly lost: readonly string[]
  /** Stored but never sent. */
  readonly invented: readonly string[]
  /** Stored more than once. */
  readonly storedTwice: readonly string[]
  /** Stored but not received. */
  readonly undelivered: readonly string[]
  /** Received but not stored. */
  readonly unaccounted: readonly string[]
  /** Received more than once, with how often. */
  readonly duplicates: ReadonlyMap<string, number>
  /** Acknowledged under two ids. */
  readonly idChanged: readonly string[]
}

export interface Ledger extends Disposable {
  sent(key: string): void
  acknowledged(key: string, id: string): void
  received(key: string): void
  /** Keys sent but not (yet) acknowledged: what an honest client would send again. */
  open(): readonly string[]
  /** `storedKeys`: one entry for each stored row, by the key it was sent with. */
  account(storedKeys: Iterable<string>): Account
}

/** Keys must hold no blank or line break; client ids and Idempotency-Keys are made that way. */
export function openLedger(file: string): Ledger {
  const handle = openSync(file, 'a')
  const write = (...words: string[]) => void writeSync(handle, `${words.join(' ')}\n`)
  return {
    sent: (key) => write('sent', key),
    acknowledged: (key, id) => write('ack', key, id),
    received: (key) => write('recv', key),
    open: () => {
      const book = read(file)
      return [...book.sent].filter((key) => !book.acknowledged.has(key))
    },
    account: (storedKeys) => accountOf(read(file), storedKeys),
    [Symbol.dispose]: () => closeSync(handle),
  }
}

interface Book {
  readonly sent: Set<string>
  readonly acknowledged: Map<string, Set<string>>
  readonly received: Map<string, number>
}

function read(file: string): Book {
  const book: Book = { sent: new Set(), acknowledged: new Map(), received: new Map() }
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [verb, key, id] = line.split(' ')
    if (key === undefined) continue
    if (verb === 'sent') book.sent.add(key)
    if (verb === 'ack') book.acknowledged.set(key, (book.acknowledged.get(key) ?? new Set()).add(id ?? ''))
    if (verb === 'recv') book.received.set(key, (book.received.get(key) ?? 0) + 1)
  }
  return book
}

function accountOf(book: Book, storedKeys: Iterable<string>): Account {
  const stored = new Map<string, number>()
  for (const key of storedKeys) stored.set(key, (stored.get(key) ?? 0) + 1)
  return {
    sent: book.sent.size,
    acknowledged: book.acknowledged.size,
    received: book.received.size,
    lost: [...book.acknowledged.keys()].filter((key) => !stored.has(key)),
    invented: [...stored.keys()].filter((key) => !book.sent.has(key)),
    storedTwice: [...stored].filter(([, count]) => count > 1).map(([key]) => key),
    undelivered: [...stored.keys()].filter((key) => !book.received.has(key)),
    unaccounted: [...book.received.keys()].filter((key) => !stored.has(key)),
    duplicates: new Map([...book.received].filter(([, count]) => count > 1)),
    idChanged: [...book.acknowledged].filter(([, ids]) => ids.size > 1).map(([key]) => key),
  }
}
