/** Keys and ids that nobody typed: made of the labels and the name, so that they say what they are of, each another one. */
import { ApiProblem } from '../api.ts'
import { formOf } from '../form-items.ts'
import type { Visit } from '../visit.ts'
import type { Draft, FieldDraft } from './form-draft.ts'

/** Names of what nobody typed, by the input that would have taken them. */
export interface Named {
  readonly draft: Draft
  readonly made: ReadonlyMap<string, string>
}

/** The draft with a key for each field that has a label, and an id for a form that has a name and is new. */
export async function named(visit: Visit, draft: Draft): Promise<Named> {
  const made = new Map<string, string>()
  const taken = new Set([...RESERVED_KEYS, ...draft.fields.map(({ key }) => key)])
  const fields = draft.fields.map((field, at): FieldDraft => {
    if (field.key !== '' || field.label.trim() === '') return field
    const key = keyOf(field.label, taken)
    taken.add(key)
    made.set(`key-${at}`, key)
    return { ...field, key }
  })
  const isNew = draft.version === ''
  const id = isNew && draft.id === '' && draft.name !== '' ? await freeId(visit, draft.name) : draft.id
  if (id !== draft.id) made.set('id', id)
  return { draft: { ...draft, id, fields }, made }
}

/** What the API keeps for itself, as far as a slug could be one. */
const RESERVED_KEYS = ['constructor', 'prototype']
const CHARS_MAX = 40
/** Each of them is asked about; further ones are left to the hub. */
const IDS_TRIED_MAX = 50

/** Those that are no letter with a sign. */
const LETTERS: Readonly<Record<string, string>> = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', ł: 'l', đ: 'd' }

/** Letters and digits of a text with this between its words; empty: it has none that every system takes. */
function slug(text: string, between: '_' | '-'): string {
  const words = text
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[ßæœøłđ]/g, (letter) => LETTERS[letter] ?? '')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
  let whole = ''
  for (const word of words) {
    const longer = whole === '' ? word.slice(0, CHARS_MAX) : `${whole}${between}${word}`
    if (longer.length > CHARS_MAX) break
    whole = longer
  }
  return whole
}

/** A key begins with a letter. */
function keyOf(label: string, taken: ReadonlySet<string>): string {
  const own = slug(label, '_')
  const base = own === '' ? 'field' : /^\d/.test(own) ? `field_${own}` : own
  let key = base
  for (let n = 2; taken.has(key); n += 1) key = `${base}_${n}`
  return key
}

/** Empty: there are too many of this name, and the hub makes one. */
async function freeId(visit: Visit, name: string): Promise<string> {
  const base = slug(name, '-') || 'form'
  for (let n = 1; n <= IDS_TRIED_MAX; n += 1) {
    const id = n === 1 ? base : `${base}-${n}`
    if (!(await isTaken(visit, id))) return id
  }
  return ''
}

/** Of a key that may not see forms nothing is known: what is taken is told when it is saved. */
async function isTaken(visit: Visit, id: string): Promise<boolean> {
  try {
    await formOf(visit, id)
    return true
  } catch (error) {
    if (error instanceof ApiProblem && (error.status === 404 || error.status === 403)) return false
    throw error
  }
}
