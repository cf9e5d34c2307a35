/** Third stop: which installation sees which event, and how much of it. */
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'

const FORMS = {
  leads: {
    name: 'Leads',
    fields: [
      { key: 'email', type: 'email', pii: true },
      { key: 'budget', type: 'number' },
      { key: 'tag', type: 'text' },
    ],
  },
  notes: { name: 'Notes', fields: [{ key: 'tag', type: 'text' }] },
}
const NETWORK = { allow: ['127.0.0.1/32'] }

/** One installation a path of one receiver: what arrives at `/x` is what installation `x` was shown. */
const at = (receiver: Receiver, id: string, more: object = {}) => ({
  id,
  use: 'webhooks',
  with: {
    url: `${receiver.url}/${id}`,
    template: { tag: '{{data.tag}}', email: '{{data.email}}', type: '{{event.type}}' },
  },
  ...more,
})
const seen = (receiver: Receiver, id: string) =>
  receiver.requests.filter(({ path }) => path === `/${id}`).map((request) => request.json())
const tags = (receiver: Receiver, id: string) => seen(receiver, id).map(({ tag }) => tag)
const submit = async (hub: Hub, form: string, data: object, more: object = {}) => {
  const answer = await hub.api('POST', `/api/v2/forms/${form}/responses`, { data, ...more })
  expect(answer.status, answer.text).toBeLessThan(300)
}

test('when: by form, by event type and by filter; personal fields only with a grant', async () => {
  await using receiver = await startReceiver()
  const installations = [
    at(receiver, 'all'),
    at(receiver, 'notes-only', { when: { form: 'notes' } }),
    at(receiver, 'both-forms', { when: { form: ['notes', 'leads'] } }),
    at(receiver, 'partials', { when: { event: 'response.partial' } }),
    at(receiver, 'big', { when: { form: 'leads', filter: { 'data.budget': { $gte: 1000 } } } }),
    at(receiver, 'complex', {
      when: { filter: { $or: [{ 'data.tag': { $regex: '^x' } }, { 'data.budget': { $in: [1, 2] } }] } },
    }),
    at(receiver, 'granted', { pii: true, when: { form: 'leads' } }),
    at(receiver, 'granted-by-name', { pii: ['email'], when: { form: 'leads' } }),
  ]
  await using hub = await startHub({ config: { forms: FORMS, network: NETWORK, installations } })
  await submit(hub, 'leads', { tag: 'small', budget: 1, email: 'a@example.com' })
  await submit(hub, 'leads', { tag: 'big', budget: 1000, email: 'b@example.com' })
  await submit(hub, 'notes', { tag: 'xylophone' })
  await submit(hub, 'notes', { tag: 'half' }, { status: 'partial', client_id: 'c1' })
  await settled(hub)

  expect(tags(receiver, 'all').toSorted()).toEqual(['big', 'small', 'xylophone'])
  expect(tags(receiver, 'notes-only')).toEqual(['xylophone'])
  expect(tags(receiver, 'both-forms').toSorted()).toEqual(['big', 'small', 'xylophone'])
  expect(seen(receiver, 'partials')).toEqual([{ tag: 'half', email: null, type: 'response.partial' }])
  expect(tags(receiver, 'big')).toEqual(['big'])
  expect(tags(receiver, 'complex').toSorted()).toEqual(['small', 'xylophone'])
  expect(seen(receiver, 'all').map(({ email }) => email)).toEqual([null, null, null])
  expect(
    seen(receiver, 'granted')
      .map(({ email }) => email)
      .toSorted(),
  ).toEqual(['a@example.com', 'b@example.com'])
  expect(
    seen(receiver, 'granted-by-name')
      .map(({ email }) => email)
      .toSorted(),
  ).toEqual(['a@example.com', 'b@example.com'])
})

test('from: a new installation starts in the past, and one without it in the present', async () => {
  await using receiver = await startReceiver()
  const config = (installations: readonly object[]) => ({ forms: FORMS, network: NETWORK, installations })
  await using hub = await startHub({ config: config([]) })
  await submit(hub, 'notes', { tag: 'one' })
  const middle = new Date(Date.now() + 5).toISOString()
  await until('the clock to pass', () => Date.now() > Date.parse(middle) + 5)
  await submit(hub, 'notes', { tag: 'two' })

  await hub.writeConfig(
    config([
      at(receiver, 'whole-past', { from: 'beginning' }),
      at(receiver, 'half-past', { from: middle }),
      at(receiver, 'no-past'),
    ]),
  )
  await until(
    'the new installations',
    async () => (await hub.api<{ items: unknown[] }>('GET', '/api/v2/installations')).body.items.length === 3,
  )
  await submit(hub, 'notes', { tag: 'three' })
  await settled(hub)
  expect(tags(receiver, 'whole-past')).toEqual(['one', 'two', 'three'])
  expect(tags(receiver, 'half-past')).toEqual(['two', 'three'])
  expect(tags(receiver, 'no-past')).toEqual(['three'])
})
