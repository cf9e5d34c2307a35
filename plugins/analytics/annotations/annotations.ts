/**
 * Words on a time line, kept in the hub's own store. Each is one key that says everything, so that one look reads a time line
 * in its order, and two who write at once never meet.
 */
import { randomUUID } from 'node:crypto'
import type { Context } from 'manifold/plugin'
import { offsetMs } from '../query/zone.ts'

export interface Annotation {
  readonly id: string
  /** Null: of all forms. */
  readonly formId: string | null
  /** RFC 3339, UTC. */
  readonly at: string
  readonly until: string | null
  readonly text: string
}

type Kv = Pick<Context['kv'], 'set' | 'delete' | 'list'>

const PREFIX = 'annotation/'
const prefixOf = (formId: string | null): string => `${PREFIX}${formId === null ? '*' : encodeURIComponent(formId)}/`
const keyOf = ({ id, formId, at, until, text }: Annotation): string =>
  `${prefixOf(formId)}${at}/${id}/${JSON.stringify([until, text])}`

function read(key: string): Annotation {
  const [, form = '', at = '', id = '', ...rest] = key.split('/')
  const [until, text] = JSON.parse(rest.join('/')) as [string | null, string]
  return { id, formId: form === '*' ? null : decodeURIComponent(form), at, until, text }
}

export function addAnnotation(kv: Kv, given: Omit<Annotation, 'id'>): Annotation {
  const annotation = { ...given, id: `ann_${randomUUID().replaceAll('-', '')}` }
  kv.set(keyOf(annotation), true)
  return annotation
}

/** In their order. Without a form: those of all forms alone. */
export async function annotationsOf(kv: Kv, formId: string | null): Promise<readonly Annotation[]> {
  const found = await Promise.all((formId === null ? [null] : [null, formId]).map((each) => keysOf(kv, prefixOf(each))))
  return found
    .flat()
    .map(read)
    .toSorted((one, other) => one.at.localeCompare(other.at))
}

/** False: there is none of this id. */
export async function removeAnnotation(kv: Kv, id: string): Promise<boolean> {
  const key = (await keysOf(kv, PREFIX)).find((each) => read(each).id === id)
  if (key !== undefined) kv.delete(key)
  return key !== undefined
}

async function keysOf(kv: Kv, prefix: string): Promise<readonly string[]> {
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
export function instantOf(text: string, timezone: string): string | null {
  const isLocal = LOCAL.test(text)
  if (!isLocal && !/^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:\d\d)$/i.test(text)) return null
  const read = Date.parse(isLocal ? `${text.length === 10 ? `${text}T00:00` : text}Z` : text)
  if (Number.isNaN(read)) return null
  return new Date(isLocal ? momentOf(read, timezone) : read).toISOString()
}

const DAY_MS = 86_400_000

/** When a clock in the zone shows this: the first time where it does twice, and as if it had gone on where it leaps over it. */
function momentOf(localMs: number, timezone: string): number {
  const [before, after] = [localMs - DAY_MS, localMs + DAY_MS].map((ms) => localMs - offsetMs(timezone, ms)) as [
    number,
    number,
  ]
  const isShown = (ms: number): boolean => ms + offsetMs(timezone, ms) === localMs
  return isShown(before) || !isShown(after) ? before : after
}
