/** Any sender of JSON: where things are is said by JSON pointers (RFC 6901) in the settings. */
import type { Json } from 'manifold/plugin'
import { guessed, isObject, keyOf, objectAt, textAt, timeAt, Unreadable } from './arrival.ts'
import type { Answer, Arrival } from './arrival.ts'

export interface JsonMap {
  readonly id: string
  readonly answers?: string
  readonly form?: string
  readonly formName?: string
  readonly startedAt?: string
  readonly submittedAt?: string
  readonly completed?: string
}

/** `fields`: field of the form → pointer to its answer. */
export function readJson(body: Json, map: JsonMap, fields: { readonly [field: string]: string }): Arrival {
  const at = (pointer: string | undefined): Json | undefined =>
    pointer === undefined ? undefined : valueAt(body, pointer)
  const id = textAt(at(map.id))
  if (id === null) throw new Unreadable(`${map.id} holds no id`)
  const formId = textAt(at(map.form)) ?? 'json'
  const named = Object.entries(fields).flatMap(([key, pointer]): Answer[] => {
    const value = valueAt(body, pointer)
    return value === undefined ? [] : [{ key, names: [pointer], label: key, value, ...guessed(key, value) }]
  })
  const taken = new Set(Object.values(fields))
  const others = Object.entries(objectAt(at(map.answers)))
    .filter(([name]) => !taken.has(`${map.answers ?? ''}/${escaped(name)}`))
    .map(([name, value]): Answer => ({ key: keyOf(name), names: [name], label: name, value, ...guessed(name, value) }))
  return {
    id,
    formId,
    formName: textAt(at(map.formName)) ?? formId,
    status: at(map.completed) === false ? 'partial' : 'completed',
    startedAt: timeAt(at(map.startedAt)),
    submittedAt: timeAt(at(map.submittedAt)),
    answers: [...named, ...others],
  }
}

const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** Own members only: no name in a pointer reaches a prototype. */
export function valueAt(body: Json, pointer: string): Json | undefined {
  if (pointer === '') return body
  if (!pointer.startsWith('/')) return undefined
  let value: Json | undefined = body
  for (const part of pointer.slice(1).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(value)) value = /^\d+$/.test(name) ? (value as readonly Json[])[Number(name)] : undefined
    else value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  }
  return value
}
