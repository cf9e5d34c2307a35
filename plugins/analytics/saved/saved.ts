/**
 * Questions that are kept under a name, in the hub's own store. The key says what a list shows, so that one look reads all of
 * them; the question itself is the value.
 */
import { randomUUID } from 'node:crypto'
import type { Context, Json } from 'manifold/plugin'

export const KINDS = ['query', 'funnels', 'retention', 'cohorts', 'journeys'] as const
export type Kind = (typeof KINDS)[number]

/** What a list says. */
export interface SavedLine {
  readonly id: string
  readonly name: string
  /** Which route answers it. */
  readonly kind: Kind
  /** RFC 3339, UTC. */
  readonly createdAt: string
}

export interface Saved extends SavedLine {
  /** The body of that route. */
  readonly question: Json
  /** What a page needs to show it as it was asked; kept as it came. */
  readonly view: Readonly<Record<string, string>>
  /** Words beside the answer. */
  readonly note: string
}

type Kv = Pick<Context['kv'], 'get' | 'set' | 'delete' | 'list'>

/** Of a workspace: one page of keys has them all. */
export const SAVED_MAX = 200

const PREFIX = 'saved/'
const ID = /^sav_[0-9a-f]{32}$/
const keyOf = ({ id, kind, name, createdAt }: SavedLine): string =>
  `${PREFIX}${id}/${JSON.stringify([kind, name, createdAt])}`

function read(key: string): SavedLine {
  const [, id = '', ...rest] = key.split('/')
  const [kind, name, createdAt] = JSON.parse(rest.join('/')) as [Kind, string, string]
  return { id, kind, name, createdAt }
}

/** By name. */
export async function savedOf(kv: Kv): Promise<readonly SavedLine[]> {
  const { keys } = await kv.list(PREFIX)
  return keys.map(read).toSorted((one, other) => one.name.localeCompare(other.name))
}

/** Undefined: there is none of this id. */
export async function findSaved(kv: Kv, id: string): Promise<Saved | undefined> {
  const key = await keyOfId(kv, id)
  const value = key === undefined ? undefined : await kv.get(key)
  return key === undefined || value === undefined ? undefined : { ...read(key), ...(value as unknown as Kept) }
}

type Kept = Pick<Saved, 'question' | 'view' | 'note'>

export const newSavedId = (): string => `sav_${randomUUID().replaceAll('-', '')}`

/** In place of what has its id. */
export async function keepSaved(kv: Kv, saved: Saved): Promise<void> {
  await dropSaved(kv, saved.id)
  const { question, view, note } = saved
  kv.set(keyOf(saved), { question, view, note })
}

/** False: there is none of this id. */
export async function dropSaved(kv: Kv, id: string): Promise<boolean> {
  const key = await keyOfId(kv, id)
  if (key !== undefined) kv.delete(key)
  return key !== undefined
}

/** Those about a form that is gone: another one may get its id. Later ones are about that. Links to them end with them. */
export async function dropSavedOf(kv: Kv, formId: string, goneAt: string): Promise<void> {
  const { keys } = await kv.list(PREFIX)
  const older = keys.filter((key) => Date.parse(read(key).createdAt) <= Date.parse(goneAt))
  const kept = await Promise.all(older.map(async (key) => ({ key, value: await kv.get(key) })))
  for (const { key, value } of kept) {
    const { question } = (value ?? {}) as { readonly question?: { readonly form_id?: Json } }
    if (question?.form_id === formId) kv.delete(key)
  }
}

const keyOfId = async (kv: Kv, id: string): Promise<string | undefined> =>
  ID.test(id) ? (await kv.list(`${PREFIX}${id}/`)).keys[0] : undefined
