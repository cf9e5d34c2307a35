/** Responses are found by what was answered, however whoever looks for it writes it. */
import { expect, test } from 'vitest'
import { openDoor } from './door.ts'

test('responses are found by answers as they were sent: other spellings of a time, a day, a yes or an option', async () => {
  await using door = await openDoor()
  const pick = { key: 'pick', label: 'Pick', type: 'select', options: [{ value: 'a', label: 'Apples' }] }
  const many = { key: 'many', label: 'Many', type: 'multi_select', options: pick.options }
  const others = ['datetime', 'date', 'boolean'].map((type) => ({ key: type, label: type, type }))
  await door.saveForm('moments', { fields: [...others, pick, many] })
  const { body: sent } = await door.call('POST', '/api/v2/forms/moments/responses', {
    json: {
      data: { datetime: '2026-11-05T09:00:00+01:00', date: '2026-11-05', boolean: true, pick: 'a', many: ['a'] },
    },
  })
  const ids = async (field: string, value: string) => {
    const { body } = await door.call(
      'GET',
      `/api/v2/forms/moments/responses?field=${field}&value=${encodeURIComponent(value)}`,
    )
    return (body['items'] as { id: string }[] | undefined)?.map(({ id }) => id) ?? body
  }
  for (const [field, value] of [
    ['datetime', '2026-11-05T09:00:00+01:00'],
    ['datetime', '2026-11-05T08:00:00Z'],
    ['date', '2026-11-05T00:00:00+01:00'],
    ['boolean', 'Yes'],
    ['pick', 'apples'],
    ['many', 'Apples'],
  ] as const)
    expect(await ids(field, value), `${field} ${value}`).toEqual([sent['id']])
  expect([await ids('boolean', 'no'), await ids('datetime', 'soon')]).toEqual([[], []])
  expect(await ids('picc', 'a')).toMatchObject({
    status: 422,
    errors: [{ pointer: '/field', detail: expect.stringContaining('has no field "picc"; it has datetime') as string }],
  })
})

test('responses are found by a condition of the query language, page by page, in both orders', async () => {
  await using door = await openDoor({ limits: { publicRatePerSecond: 10_000, responseSearchMsMax: 60_000 } })
  await door.saveForm('ages', { fields: [{ key: 'age', type: 'number' }, { key: 'town' }] })
  // More than are looked at in one go.
  const sent = Array.from({ length: 600 }, (_, n) => ({ data: { age: n, town: n % 2 === 0 ? 'Bern' : 'Kyiv' } }))
  for (let at = 0; at < sent.length; at += 100)
    await door.call('POST', '/api/v2/forms/ages/responses/batch', { json: sent.slice(at, at + 100) })
  const ages = async (filter: object, more: string): Promise<readonly number[]> => {
    const found: number[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const asked = `/api/v2/forms/ages/responses?filter=${encodeURIComponent(JSON.stringify(filter))}${more}`
      const { body }: { body: Record<string, unknown> } = await door.call(
        'GET',
        cursor === '' ? asked : `${asked}&cursor=${cursor}`,
      )
      const items = body['items'] as { data: { age: number } }[]
      expect(items.length).toBeLessThanOrEqual(7)
      found.push(...items.map(({ data }) => data.age))
      cursor = body['next_cursor'] as string | null
    }
    return found
  }
  const wanted = sent.map(({ data }) => data).filter(({ age, town }) => town === 'Kyiv' && age >= 555)
  const filter = { 'data.town': 'Kyiv', 'data.age': { $gte: 555 }, 'response.status': 'completed', 'form.id': 'ages' }
  const found = await ages(filter, '&limit=7&order=oldest')
  expect(found.toSorted((a, b) => a - b)).toEqual(wanted.map(({ age }) => age))
  expect((await ages(filter, '&limit=7')).toReversed()).toEqual(found)
  expect(await ages({ 'data.age': { $gt: 5_000 } }, '&limit=7')).toEqual([])
  const refused = async (text: string) =>
    (await door.call('GET', `/api/v2/responses?filter=${encodeURIComponent(text)}`)).body
  expect(await refused('{"age": 1}')).toMatchObject({ status: 422, errors: [{ pointer: '/filter/age' }] })
  expect(await refused('age > 1')).toMatchObject({ status: 422, errors: [{ pointer: '/filter' }] })
})

test('what is wrong with a request is in its sentence, for those who show nothing else', async () => {
  await using door = await openDoor()
  const told = async (path: string, json: object) => (await door.call('POST', path, { json })).body['detail']
  expect(await told('/api/v2/hooks', { event: 1, target_url: '' })).toMatch(
    /^\/target_url use .*; \/event must be one of "response\.submitted"/,
  )
  expect(await told('/api/v2/replay', { limit: 0 })).toMatch(/^\/limit must be at least 1/)
})
