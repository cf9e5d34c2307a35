/** Events that their family does not take: told, kept without what nobody should know, and stored once when they are sent again. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventSettings } from '../../core/config/event-settings.ts'
import { openDoor } from './door.ts'
import type { Answer, CallOptions, Door } from './door.ts'

const QUARANTINE = '/api/v2/events/quarantine'
const ROOM = 4

let door: Door
beforeAll(async () => {
  door = await openDoor({ limits: { eventQuarantineMax: ROOM } })
  await door.saveForm('contact', { fields: [{ key: 'email', type: 'email' }] })
})
afterAll(() => door[Symbol.asyncDispose]())

interface Item {
  readonly id: string
  readonly reason: string
  readonly event_id: string
  readonly problems: readonly { readonly pointer: string }[]
  readonly event: Record<string, unknown>
}
const send = (json: unknown, how: CallOptions = {}): Promise<Answer> =>
  door.call('POST', '/api/v2/events/track', { json, ...how })
const items = async (how: CallOptions = {}): Promise<readonly Item[]> =>
  (await door.call('GET', QUARANTINE, how)).body['items'] as readonly Item[]
const replay = async (json: object = {}): Promise<unknown> =>
  (await door.call('POST', `${QUARANTINE}/replay`, { json })).body
const video = {
  version: 2,
  description: '',
  needs: [],
  properties: { seconds: { type: 'number' } },
  required: [],
  renamed: {},
} as const
const settings = eventSettings()

beforeEach(async () => {
  door.deps.collector.configure(settings)
  for (const { id } of await items()) expect((await door.call('DELETE', `${QUARANTINE}/${id}`)).status).toBe(204)
  door.heard.length = 0
})

test('whoever sends is told of the mistake and of the place; the reason is a word, the event is as it may be known', async () => {
  const page = { url: 'https://example.org/a?utm_source=news&token=secret', referrer: 'https://t.example/x?y=z' }
  const context = { ip: '192.0.2.7', country: 'DE', user_agent: 'Mozilla/5.0' }
  const refused = await send({ type: 'video', event_id: 'v-1', user_id: 'u-1', page, context })
  const [item] = await items()
  expect([refused.status, refused.body['detail']]).toEqual([
    422,
    expect.stringContaining(`kept in quarantine as ${item?.id}`),
  ])
  expect(item).toMatchObject({
    type: 'video',
    reason: 'unknown_family',
    event_id: 'v-1',
    form_id: null,
    problems: [{ pointer: '/type' }],
    event: {
      type: 'video',
      user_id: 'u-1',
      consent: 'granted',
      page: { url: 'https://example.org/a', path: '/a', referrer: 't.example' },
      context: { country: 'DE', campaign: { source: 'news' }, user_agent: 'Mozilla/5.0' },
    },
  })
  for (const hidden of ['192.0.2.7', 'secret', 'y=z']) expect(JSON.stringify(item)).not.toContain(hidden)
  await send({ type: 'video', consent: 'minimal', user_id: 'u-2', session_id: 's', context })
  const [, minimal] = await items()
  for (const hidden of ['u-2', 'Mozilla', 'session_id']) expect(JSON.stringify(minimal)).not.toContain(hidden)
  expect((await send({ type: 'video', consent: 'denied', user_id: 'u-3' })).status).toBe(204)
  await send([
    { type: 'click', schema_version: 9, properties: { element: 'buy' } },
    { type: 'click', form_id: 'nothing', properties: { element: 'buy' } },
  ])
  expect((await items()).map(({ reason }) => reason)).toEqual([
    'unknown_family',
    'unknown_family',
    'newer_version',
    'form',
  ])
})

test('sent again once its family is known it is stored under its id and time, once, and what is still wrong stays', async () => {
  const at = '2026-05-31T09:30:00.000Z'
  await send({ type: 'video', event_id: 'v-2', occurred_at: at, user_id: 'u-1', properties: { seconds: '3' } })
  await send({ type: 'video', properties: { seconds: 'long' } })
  const [first, second] = await items()
  expect(await replay()).toEqual({ dry_run: false, matched: 2, stored: 0, left: 2 })
  door.deps.collector.configure({ ...settings, families: { video } })
  expect(await replay({ dry_run: true })).toEqual({ dry_run: true, matched: 2, stored: 1, left: 1 })
  expect([await replay({ ids: [second?.id] }), door.heard.length]).toEqual([
    { dry_run: false, matched: 1, stored: 0, left: 1 },
    0,
  ])
  expect(await replay()).toEqual({ dry_run: false, matched: 2, stored: 1, left: 1 })
  expect(door.heard.map(({ id, type, data }) => [id, type, JSON.parse(data ?? '')])).toMatchObject([
    [first?.id, 'track.video', { occurred_at: at, user_id: 'u-1', properties: { seconds: 3 }, schema_version: 2 }],
  ])
  expect((await items()).map(({ id }) => id)).toEqual([second?.id])
  // Its sender sends it again, too: it is the same event.
  const again = await send({ type: 'video', event_id: 'v-2', properties: { seconds: 3 } })
  expect([again.status, again.body['id']]).toEqual([200, first?.id])
})

test('a refused event that is sent again stands there once; mended by its sender, its replay changes nothing', async () => {
  for (let n = 0; n < 2; n += 1) await send({ type: 'video', event_id: 'v-3' })
  const [item, ...more] = await items()
  expect([more, item?.event_id]).toEqual([[], 'v-3'])
  expect((await send({ type: 'conversion', event_id: 'v-3' })).status).toBe(201)
  door.deps.collector.configure({ ...settings, families: { video } })
  expect(await replay()).toMatchObject({ matched: 1, stored: 1 })
  expect(door.heard.map(({ type }) => type)).toEqual(['track.conversion'])
  expect(await items()).toEqual([])
})

test('it holds so many and no more; strangers put nothing there', async () => {
  const stranger = await send({ type: 'video', form_id: 'contact' }, { key: null })
  expect([stranger.status, stranger.body['detail']]).toEqual([422, expect.not.stringContaining('quarantine')])
  const answers = []
  for (let n = 0; n < ROOM + 1; n += 1) answers.push((await send({ type: 'video' })).body['detail'])
  expect(answers.filter((detail) => String(detail).includes('kept in quarantine'))).toHaveLength(ROOM)
  expect(await items()).toHaveLength(ROOM)
})

test('of another workspace nothing is seen, sent again or discarded', async () => {
  await send({ type: 'video' })
  const [item] = await items()
  const key = await door.key(['responses:read', 'responses:write'], 'other')
  expect(await items({ key })).toEqual([])
  expect((await door.call('DELETE', `${QUARANTINE}/${item?.id}`, { key })).status).toBe(404)
  const { body } = await door.call('POST', `${QUARANTINE}/replay`, { key, json: {} })
  expect(body).toMatchObject({ matched: 0 })
  const reader = await door.key(['responses:read'])
  expect((await door.call('POST', `${QUARANTINE}/replay`, { key: reader, json: {} })).status).toBe(403)
})

test('it goes with its form, and with its age', async () => {
  await door.saveForm('gone', { fields: [] })
  await send({ type: 'video', form_id: 'gone' })
  await send({ type: 'video' })
  expect((await door.call('DELETE', '/api/v2/forms/gone')).status).toBeLessThan(300)
  expect((await items()).map(({ event }) => event['form_id'])).toEqual([undefined])
  door.deps.collector.configure({ ...settings, keepMs: -1_000 })
  await door.deps.collector.expire()
  expect(await items()).toEqual([])
})
