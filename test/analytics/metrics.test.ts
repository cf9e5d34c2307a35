/** Headline numbers of forms: against the published figures, and over a year with both changes of the clock. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import type { Hub } from '../support/hub.ts'
import { openSurveys } from '../support/surveys.ts'

let hub: Hub
beforeAll(async () => {
  hub = await openSurveys({
    visits: {
      name: 'Visits',
      fields: [
        { key: 'name', type: 'text' },
        { key: 'score', type: 'rating', max: 5 },
        { key: 'minutes', type: 'number' },
        { key: 'again', type: 'boolean' },
      ],
    },
  })
})
afterAll(() => hub?.[Symbol.asyncDispose]())

interface Metrics {
  readonly totals: object
  readonly today: object
  readonly time_to_complete: object
  readonly series: { readonly points: readonly { readonly at: string; readonly count: number }[] }
  readonly fields: readonly { readonly key: string; readonly choices: readonly object[] }[]
}
const metricsOf = async (form: string, query = ''): Promise<Metrics> => {
  const { status, body, text } = await hub.api<Metrics>('GET', `/api/v2/analytics/forms/${form}/metrics${query}`)
  expect(status, text).toBe(200)
  return body
}

test('a survey: totals, shares of choices in the order of the form, all of them today', async () => {
  const { totals, today, series, fields } = await metricsOf('comma-survey')
  expect(totals).toEqual({ started: 1129, completed: 1129, partial: 0, completion_rate: 1 })
  expect(today).toEqual({ completed: 1129, week_before: 0, change: null })
  expect(series.points.map(({ count }) => count).reduce((sum, count) => sum + count)).toBe(1129)
  expect(series.points.length).toBeGreaterThanOrEqual(90)
  const heard = fields.find(({ key }) => key === 'heard_of_it')
  expect(heard).toMatchObject({
    answered: 1099,
    choices: [
      { value: 'Yes', label: 'Yes', count: 655, share: 655 / 1099 },
      { value: 'No', label: 'No', count: 444, share: 444 / 1099 },
    ],
  })
})

test('manifold analytics rebuild reads the log anew and proves the numbers equal; it is for admins', async () => {
  const { code, stderr, json } = await manifold(hub, ['analytics', 'rebuild', '--json'])
  expect(code, stderr).toBe(0)
  expect(json()).toMatchObject({ state: 'done', equal: true, error: null })
  const { forms } = json<{ forms: { form_id: string; before: object; after: object }[] }>()
  const survey = forms.find(({ form_id: id }) => id === 'comma-survey')
  expect(survey?.before).toMatchObject({ started: 1129, completed: 1129 })
  expect(survey?.after).toEqual(survey?.before)
  const { body } = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'r', scopes: ['analytics:read'] })
  const { status, text } = await hub.api('POST', '/api/v2/analytics/rebuild', undefined, { key: body.key })
  expect([status, text]).toEqual([403, expect.stringContaining('\\"admin\\"')])
})
