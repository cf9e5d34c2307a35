/**
 * Words on a time line, kept in the hub's own store. Each is one key that says everything, so that one look reads a time line
 * in its order, and two who write at once never meet.
 */
import { randomUUID } from 'node:crypto'
import type { Context } from 'manifold/plugin'
import { instantOf } from '../query/zone.ts'

export interface Annotation {
  readonly id: string
  /** Null: of all forms. */
  readonly formId: string | null
  /** RFC 3339, UTC. */
  readonly at: string
  readonly until: string | null
  readonly text: string
  /** When it was written, RFC 3339, UTC; empty: by a version of the hub that did not say. */
  readonly writtenAt: string
}

type Kv = Pick<Context['kv'], 'set' | 'delete' | 'list'>

const PREFIX = 'annotation/'
const prefixOf = (formId: string | null): string => `${PREFIX}${formId === null ? '*' : encodeURIComponent(formId)}/`
const keyOf = ({ id, formId, at, until, text, writtenAt }: Annotation): string =>
  `${prefixOf(formId)}${at}/${id}/${JSON.stringify([until, text, writtenAt])}`

function read(key: string): Annotation {
  const [, form = '', at = '', id = '', ...rest] = key.split('/')
  const [until, text, writtenAt = ''] = JSON.parse(rest.join('/')) as [string | null, string, string?]
  return { id, formId: form === '*' ? null : decodeURIComponent(form), at, until, text, writtenAt }
}

/** Forms of which it is remembered that they have some, or none. */
const FORMS_MAX = 1_000

/** What a run asked to be written is there by then, or was refused and never will be: no run lasts so long. */
const WRITTEN_WITHIN_MS = 600_000

/** A key of which it is not known that it is there yet, or gone, and until when that may be. */
interface Asked {
  readonly what: 'there' | 'gone'
  readonly untilMs: number
}

/**
 * Those of an installation, remembered between requests: nobody else writes them. What a run asks to be written is there once the
 * hub has committed it, and nobody tells when that was; so from then on the store is asked, until it says what was asked for, or no run can write it any more: the hub refuses some.
 */
export class Annotations {
  /** By prefix; the one asked last is last. */
  readonly #known = new Map<string, readonly Annotation[]>()
  /** By prefix and key. */
  readonly #asked = new Map<string, Map<string, Asked>>()
  readonly #nowMs: () => number
  #writes = 0

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Prefixes of which something was asked for that may not have come about yet. */
  get unsettled(): number {
    return this.#asked.size
  }

  /** In their order. Without a form: those of all forms alone. */
  async of(kv: Pick<Kv, 'list'>, formId: string | null): Promise<readonly Annotation[]> {
    const forms = formId === null ? [null] : [null, formId]
    const found = await Promise.all(forms.map((each) => this.#read(kv, prefixOf(each))))
    return found.flat().toSorted((one, other) => one.at.localeCompare(other.at))
  }

  add(kv: Kv, given: Omit<Annotation, 'id'>): Annotation {
    const annotation = { ...given, id: `ann_${randomUUID().replaceAll('-', '')}` }
    const key = keyOf(annotation)
    kv.set(key, true)
    this.#wrote(key, 'there')
    return annotation
  }

  /** False: there is none of this id. */
  async remove(kv: Kv, id: string): Promise<boolean> {
    const key = (await keysOf(kv, PREFIX)).find((each) => read(each).id === id)
    if (key !== undefined) this.#delete(kv, key)
    return key !== undefined
  }

  /** Those of a form that is gone: another one may get its id. Later ones are of that. */
  async drop(kv: Kv, formId: string, goneAt: string): Promise<void> {
    for (const key of await keysOf(kv, prefixOf(formId))) {
      const { writtenAt } = read(key)
      if (writtenAt === '' || Date.parse(writtenAt) <= Date.parse(goneAt)) this.#delete(kv, key)
    }
  }

  #delete(kv: Kv, key: string): void {
    kv.delete(key)
    this.#wrote(key, 'gone')
  }

  #wrote(key: string, what: 'there' | 'gone'): void {
    const prefix = prefixOf(read(key).formId)
    this.#writes += 1
    this.#known.delete(prefix)
    this.#forget()
    const asked = this.#asked.get(prefix) ?? new Map<string, Asked>()
    this.#asked.set(prefix, asked.set(key, { what, untilMs: this.#nowMs() + WRITTEN_WITHIN_MS }))
  }

  async #read(kv: Pick<Kv, 'list'>, prefix: string): Promise<readonly Annotation[]> {
    const known = this.#known.get(prefix)
    const writes = this.#writes
    const keys = known === undefined ? await keysOf(kv, prefix) : []
    const annotations = known ?? keys.map(read)
    // What was asked for while the store was read may or may not be in what it said.
    if (known === undefined && (writes !== this.#writes || !this.#isSettled(prefix, keys))) return annotations
    this.#known.delete(prefix)
    this.#known.set(prefix, annotations)
    if (this.#known.size > FORMS_MAX) this.#known.delete(this.#known.keys().next().value as string)
    return annotations
  }

  #isSettled(prefix: string, keys: readonly string[]): boolean {
    this.#forget()
    const there = new Set(keys)
    for (const [key, { what }] of this.#asked.get(prefix) ?? []) if (there.has(key) !== (what === 'there')) return false
    this.#asked.delete(prefix)
    return true
  }

  /** What no run can write any more, also of time lines that nobody reads. */
  #forget(): void {
    const nowMs = this.#nowMs()
    for (const [prefix, keys] of this.#asked) {
      for (const [key, { untilMs }] of keys) if (untilMs <= nowMs) keys.delete(key)
      if (keys.size === 0) this.#asked.delete(prefix)
    }
  }
}

async function keysOf(kv: Pick<Kv, 'list'>, prefix: string): Promise<readonly string[]> {
  const keys: string[] = []
  for (let after: string | null = ''; after !== null;) {
    const page: Awaited<ReturnType<Kv['list']>> = await kv.list(prefix, after === '' ? undefined : after)
    keys.push(...page.keys)
    after = page.next
  }
  return keys
}

const LOCAL = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)?$/

/** Of a time with its offset, or of a day or a time of a clock in this zone; null for anything else. */
export function momentOf(text: string, timezone: string): string | null {
  const isLocal = LOCAL.test(text)
  if (!isLocal && !/^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:\d\d)$/i.test(text)) return null
  const read = Date.parse(isLocal ? `${text.length === 10 ? `${text}T00:00` : text}Z` : text)
  if (Number.isNaN(read)) return null
  return new Date(isLocal ? instantOf(read, timezone) : read).toISOString()
}
