/** Steps of visitors, as an address names them: an event, a page, or what somebody did with a form. */
import { calledOf, formsOf } from '../../form-items.ts'
import type { Filter } from '../../parts/filters.ts'
import type { Visit } from '../../visit.ts'
import type { FormItem } from '../../wire.ts'
import { API } from './asking.ts'
import type { QueryAnswer } from './wire.ts'

/** What the snippet tells of a form, in the order that it happens. */
const OF_FORM: Readonly<Record<string, string>> = {
  viewed: 'form_view',
  started: 'form_start',
  submitted: 'form_submit',
}
const FORM_STEP = /^form:([A-Za-z0-9_-]+):(\w+)$/
const NAME_CHARS_MAX = 150

export interface Steps {
  /** What visitors have been seen to do, the most frequent first, and what there is to do with each form. */
  readonly suggestions: NonNullable<Filter['suggestions']>
  /** As the API takes one: a text in short, or what it is in full. */
  stepOf(text: string): string | object
}

/** Steps that can be named. */
export async function stepsOf(visit: Visit): Promise<Steps> {
  const [names, paths, seen, forms] = await Promise.all([
    most(visit, 'name'),
    most(visit, 'path'),
    most(visit, 'form_id'),
    formsOf(visit),
  ])
  const called = calledOf(forms)
  const own = new Set(Object.values(OF_FORM))
  const ids = [...new Set([...seen, ...called.keys()])].slice(0, FORMS_MAX)
  return {
    suggestions: [
      ...new Set([...names.filter((name) => !own.has(name)), ...paths.filter((path) => path.startsWith('/'))]),
      ...ids.flatMap((id) =>
        Object.keys(OF_FORM).map((did) => ({ value: `form:${id}:${did}`, label: `${called.get(id) ?? id}: ${did}` })),
      ),
    ],
    stepOf: (text) => formStep(text, called) ?? text,
  }
}

function formStep(text: string, called: ReadonlyMap<FormItem['id'], string>): object | null {
  const [, id = '', did = ''] = FORM_STEP.exec(text) ?? []
  const type = Object.hasOwn(OF_FORM, did) ? OF_FORM[did] : undefined
  if (type === undefined) return null
  return { label: `${(called.get(id) ?? id).slice(0, NAME_CHARS_MAX)}: ${did}`, type, filter: { form_id: id } }
}

const SUGGESTIONS_MAX = 100
const FORMS_MAX = 50

async function most({ api }: Visit, field: string): Promise<readonly string[]> {
  const { items } = await api.send<QueryAnswer>('POST', `${API}/query`, {
    data_set: 'events',
    aggregate: { fn: 'count' },
    group_by: [{ field, as: 'name' }],
    limit: SUGGESTIONS_MAX,
  })
  return items.flatMap(({ name }) => (typeof name === 'string' && name !== '' ? [name] : []))
}
