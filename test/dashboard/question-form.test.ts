/** What the question builder offers: choices of what is asked about, operators and values that fit a field. */
import { expect, test } from 'vitest'
import { fieldsToSuggest, questionFilters, questionOf } from '../../core/dashboard/screens/analytics/question-form.ts'
import type { Visit } from '../../core/dashboard/visit.ts'
import type { FormItem } from '../../core/dashboard/wire.ts'

const FIELDS = [
  { key: 'team', label: 'Which team?', type: 'select', options: ['red', { value: 'b', label: 'Blue' }] },
  { key: 'age', type: 'number' },
  { key: 'again', label: 'Again?', type: 'boolean' },
  { key: 'likes', label: 'Likes', type: 'multi_select', options: ['a'] },
  { key: 'note', type: 'long_text' },
]
const forms = ['one', 'two'].map((id) => ({ id, name: 'Twin', fields: FIELDS }) as unknown as FormItem)

function offered(search: string) {
  const params = new URLSearchParams(search)
  const query = (name: string): string | undefined => params.get(name) || undefined
  const all = questionFilters({ query, forms, values: new Map([['path', ['/pricing']]]) })
  const of = (name: string) => all.find((filter) => filter.name === name)
  return {
    of,
    words: (name: string) => of(name)?.options?.map(({ label }) => label),
    values: (name: string) => of(name)?.options?.map(({ value }) => value),
    asked: questionOf({ query } as Visit, forms),
    suggested: fieldsToSuggest({ query, forms }),
  }
}

test('fields are those of what is asked about; forms of one name are told apart', () => {
  const { words, values } = offered('about=form:two')
  expect(words('about')).toEqual(expect.arrayContaining(['events of visitors', 'Twin (one)', 'Twin (two)']))
  expect(words('by')).toEqual(expect.arrayContaining(['Which team? (team)', 'age', 'sent at']))
  expect(values('by')).not.toContain('path')
  expect(offered('').values('by')).toEqual(expect.arrayContaining(['path', 'occurred_at', 'other']))
  expect(offered('about=form:two&fn=avg').values('field')).toEqual(['age', 'response.duration_s', 'form.version'])
})

test('operators and values fit the field', () => {
  const where = (field: string, more = '') => offered(`about=form:one&where1=${field}${more}`)
  expect(where('team').words('is1')).toEqual(['is', 'is not', 'is there', 'is missing'])
  expect(where('team').words('value1')).toEqual(['red', 'Blue'])
  expect(where('age').values('is1')).toEqual(['$eq', '$ne', '$gte', '$lte', '$exists', '$missing'])
  expect(where('again').words('value1')).toEqual(['yes', 'no'])
  expect(where('likes').words('is1')).toContain('does not include')
  expect(where('note').values('is1')).toContain('$regex')
  expect(where('response.submitted_at').of('value1')?.type).toBe('datetime')
  expect(where('team', '&is1=$missing').of('value1')).toBeUndefined()
  const again = (value: string) => where('again', `&value1=${value}`).asked as { filter?: unknown }
  expect(['yes', 'no', 'ja'].map((value) => again(value).filter)).toEqual(
    [true, false, 'ja'].map((value) => ({ $and: [{ again: { $eq: value } }] })),
  )
  const visits = offered('where1=path&where2=visitor')
  expect([visits.of('value1')?.suggestions, visits.suggested]).toEqual([['/pricing'], ['path']])
})

test('a time is by days unless said otherwise, and nothing else has a length', () => {
  const buckets = offered('by=occurred_at').of('bucket')
  expect([buckets?.none, buckets?.options?.[0]?.value]).toEqual([null, 'day'])
  expect(offered('by=path').of('bucket')).toBeUndefined()
})

test('what an address asks is kept, until something else is chosen that it does not fit', () => {
  const old = 'about=form:one&by=data.gone&where1=team&is1=$gte&value1=green'
  const { values, asked } = offered(old)
  expect(['by', 'is1', 'value1'].map((name) => values(name)?.at(-1))).toEqual(['data.gone', '$gte', 'green'])
  expect(asked).toMatchObject({ form_id: 'one', filter: { $and: [{ team: { $gte: 'green' } }] } })
  const chosen = offered(`${old}&choose=1`)
  for (const [name, value] of Object.entries({ by: 'data.gone', is1: '$gte', value1: 'green' }))
    expect(chosen.values(name)).not.toContain(value)
})

test('a property that is listed nowhere is typed; a condition without a value asks nothing', () => {
  const other = offered('by=other&where1=path')
  expect([other.of('by')?.options, other.of('by')?.value]).toEqual([undefined, ''])
  expect(Object.keys(other.asked)).not.toContain('group_by')
  expect(Object.keys(other.asked)).not.toContain('filter')
  expect(offered('by=properties.plan').values('by')).toContain('properties.plan')
  expect(offered('about=form:one&where1=note&is1=$missing').asked).toMatchObject({
    filter: { $and: [{ note: { $exists: false } }] },
  })
  // What looks like a number is a number only where the field is one.
  expect(offered('where1=path&value1=12').asked).toMatchObject({ filter: { $and: [{ path: { $eq: '12' } }] } })
})
