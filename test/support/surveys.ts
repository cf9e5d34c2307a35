/** A hub with analytics and every answer of the two real surveys in it, sent through the API. */
import { loadDemoForms } from '../../core/demo/forms.ts'
import { startHub } from './hub.ts'
import type { Hub, HubOptions } from './hub.ts'
import { until } from './wait.ts'

const BATCH_ROWS = 500

/** `forms` are added to the surveys'. */
export async function openSurveys(forms: object = {}, options: HubOptions = {}): Promise<Hub> {
  const surveys = loadDemoForms()
  const all = { ...forms, ...Object.fromEntries(surveys.map(({ id, name, fields }) => [id, { name, fields }])) }
  const hub = await startHub({
    ...options,
    config: { forms: all, installations: [{ id: 'analytics', use: 'analytics', with: { slowQueryMs: 1 } }] },
  })
  for (const { id, answers } of surveys)
    await submitAll(
      hub,
      id,
      answers.map(({ respondent, data }) => ({ client_id: respondent, data })),
    )
  await caughtUp(hub)
  return hub
}

/** Until a question gets an answer: a busy machine may take longer than anybody waits for the first. */
export const caughtUp = (hub: Hub, timeoutMs = 15_000): Promise<unknown> =>
  until(
    'analytics to have read the log',
    async () => (await hub.api('POST', '/api/v2/analytics/query', { form_id: 'nobody', aggregate: 'count' })).status,
    { timeoutMs, accept: (status) => status === 404 },
  )

/** Sends rows in batches; fails unless each of them is new and stored. */
export async function submitAll(hub: Hub, form: string, rows: readonly object[]): Promise<void> {
  for (let from = 0; from < rows.length; from += BATCH_ROWS) {
    const { body } = await hub.api<{ items: { status: number }[] }>(
      'POST',
      `/api/v2/forms/${form}/responses/batch`,
      rows.slice(from, from + BATCH_ROWS),
    )
    const refused = body.items.filter(({ status }) => status !== 201)
    if (refused.length > 0 || body.items.length === 0)
      throw new Error(`${refused.length} rows were not stored: ${JSON.stringify(refused[0])}`)
  }
}
