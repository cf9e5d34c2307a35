/** Forms as events need them: a change is seen with the version that it made, however late this process hears of it. */
import { expect, test } from 'vitest'
import { openFormViews } from '../../core/ingest/form-views.ts'
import type { Form, LogEvent } from '../../core/model.ts'

const form = (version: number, pii: boolean): Form => ({
  id: 'f',
  workspace: 'w',
  version,
  name: 'F',
  fields: [{ key: 'city', label: 'City', type: 'text', required: false, pii, options: [] }],
  access: 'public',
  unknownFields: 'keep',
  redirectUrl: null,
  honeypotField: 'website',
  managedBy: 'api',
  createdAt: 't',
  updatedAt: 't',
})
const changed = (version: number): LogEvent => ({
  seq: version,
  id: `evt_${version}`,
  workspace: 'w',
  type: 'form.changed',
  at: 't',
  formId: 'f',
  responseId: null,
  hops: 0,
  data: JSON.stringify({ form_id: 'f', version, created: version === 1 }),
  meta: '{}',
  response: null,
})
const submitted = (formVersion: number): LogEvent => ({
  ...changed(9),
  type: 'response.submitted',
  data: '{}',
  response: { status: 'completed', formVersion, startedAt: null, submittedAt: 't' },
})

test('what was known before a field became private is read anew for the change, and holds for older versions then', async () => {
  let versions = [form(1, false)]
  const views = openFormViews({ listFormVersions: async () => versions })
  expect((await views.of(submitted(1)))?.piiKeys).toEqual([])
  versions = [...versions, form(2, true)]
  // Nobody has said so here yet.
  expect((await views.of(changed(2)))?.piiKeys).toEqual(['city'])
  expect((await views.of(submitted(1)))?.piiKeys).toEqual(['city'])
})

test('a reading that began before the change is not taken for it', async () => {
  const before = Promise.withResolvers<Form[]>()
  const readings = [before.promise, Promise.resolve([form(1, false), form(2, true)])]
  const views = openFormViews({ listFormVersions: async () => (await readings.shift()) ?? [] })
  const [first, second] = [views.of(submitted(1)), views.of(changed(2))]
  before.resolve([form(1, false)])
  expect([(await first)?.piiKeys, (await second)?.piiKeys]).toEqual([[], ['city']])
})

test('of an earlier change the version that it made, with what is private by now; of one that is gone the newest', async () => {
  const views = openFormViews({ listFormVersions: async () => [form(2, false), form(3, true)] })
  const [old, gone] = [await views.of(changed(2)), await views.of(changed(1))]
  expect([old?.form.version, old?.piiKeys, gone?.form.version]).toEqual([2, ['city'], 3])
})
