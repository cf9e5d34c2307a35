/** What of whoever did something is kept: as much as they consent to, no address, and nothing for longer than it is to be. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventSettings } from '../../core/config/event-settings.ts'
import { openDoor } from './door.ts'
import type { Answer, CallOptions, Door } from './door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor({
    limits: { publicRateBurst: 1_000 },
    trustedProxies: ['127.0.0.1/32'],
    events: { access: 'key', countryHeader: 'x-country' },
  })
  await door.saveForm('contact', { fields: [{ key: 'email', type: 'email', pii: true }] })
})
afterAll(() => door[Symbol.asyncDispose]())
beforeEach(() => void (door.heard.length = 0))

const HASH = expect.stringMatching(/^[0-9a-f]{32}$/)
const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
const send = (path: string, json: unknown, how: CallOptions = {}): Promise<Answer> =>
  door.call('POST', `/api/v2/events/${path}`, { json, ...how })
const asBrowser = (path: string, json: unknown): Promise<Answer> =>
  send(path, json, { key: null, headers: { 'user-agent': BROWSER, origin: 'https://example.org' } })
const told = () =>
  door.heard.map(({ type, data, meta }) => ({ type, data: JSON.parse(data ?? ''), meta: JSON.parse(meta) }))

test('who denies consent leaves no trace', async () => {
  const before = await door.store.headSeq()
  const answer = await send('track', { type: 'conversion', consent: 'denied', user_id: 'u-1' })
  expect([answer.status, answer.text]).toEqual([204, ''])
  expect(await door.store.headSeq()).toBe(before)
})

test('the address is hashed with the salt of the day, by visitor and workspace, and never kept', async () => {
  const from = async (ip: string) => {
    const view = { type: 'form_view', form_id: 'contact', consent: 'granted' }
    await send('track', view, { key: null, headers: { 'x-forwarded-for': ip } })
    return told().at(-1)?.meta.ip_hash
  }
  const [one, other, again] = [await from('192.0.2.1'), await from('192.0.2.2'), await from('192.0.2.1')]
  expect([one, other, again]).toEqual([HASH, HASH, one])
  expect(other).not.toBe(one)
  // A server speaks for others: of its own address nothing is said.
  await send('conversion', {}, { headers: { 'x-forwarded-for': '192.0.2.1' } })
  expect(told().at(-1)?.meta).toEqual({})
  const context = {
    ip: '192.0.2.1',
    user_agent: BROWSER.replace('X11; Linux x86_64', 'iPhone; CPU iPhone OS 17_0 like Mac OS X'),
  }
  await send('conversion', { context })
  expect(told().at(-1)?.meta).toMatchObject({ ip_hash: one, device: 'mobile', os: 'iOS' })
  const elsewhere = await door.key(['responses:write'], 'other')
  await send('conversion', { context }, { key: elsewhere })
  expect(told().at(-1)?.meta.ip_hash).not.toBe(one)
  expect(JSON.stringify(door.heard)).not.toContain('192.0.2')
  const day = new Date().toISOString().slice(0, 10)
  const salt = await door.store.daySalt({ day, fresh: 'another', expiresAtMs: 0 })
  expect(salt).toMatch(/^[0-9a-f]{64}$/)
  await door.store.purge(Date.now() + 2 * 86_400_000)
  expect(await door.store.daySalt({ day, fresh: salt, expiresAtMs: Date.now() + 86_400_000 })).toBe(salt)
})

test('the country comes from the one header that the file names', async () => {
  const view = { type: 'form_view', form_id: 'contact' }
  for (const [country, known] of [
    ['de', 'DE'],
    ['XX', undefined],
    ['Germany', undefined],
  ] as const) {
    await send('track', view, { key: null, headers: { 'x-country': country, 'cf-ipcountry': 'FR' } })
    expect(told().at(-1)?.meta.country).toBe(known)
  }
})

test('minimal consent keeps what happened and the kind of device, not who it was', async () => {
  const who = { user_id: 'u-1', anonymous_id: 'v-1', session_id: 's-1' }
  const view = { type: 'form_view', form_id: 'contact', ...who }
  const from = { headers: { 'user-agent': BROWSER, 'x-country': 'DE' } }
  await send('track', { ...view, consent: 'minimal' }, { key: null, ...from })
  await send('track', { ...view, consent: 'minimal' }, from)
  for (const { data } of told()) {
    expect(data).toMatchObject({ form_id: 'contact', consent: 'minimal' })
    for (const part of Object.keys(who)) expect(data).not.toHaveProperty(part)
  }
  expect(told()[0]?.meta).toEqual({ device: 'desktop', country: 'DE' })
  const learning = { type: 'learning_session', consent: 'minimal', properties: { duration_s: 3 } }
  expect((await send('track', learning)).status).toBe(201)
})

test('what says nothing of consent: granted with a key, else what the file says of the form, or of all', async () => {
  const { collector } = door.deps
  const view = { type: 'form_view', form_id: 'contact', anonymous_id: 'v-1' }
  const consents = async () => {
    door.heard.length = 0
    const statuses = [await send('track', view), await asBrowser('track', view)].map(({ status }) => status)
    return [statuses, told().map(({ data }) => [data.consent, data.anonymous_id])]
  }
  const settings = eventSettings()
  expect(settings).toMatchObject({ consent: 'minimal', formConsent: {} })
  const granted = ['granted', 'v-1']
  expect(await consents()).toEqual([
    [201, 201],
    [granted, ['minimal', undefined]],
  ])
  collector.configure({ ...settings, formConsent: { contact: 'granted' } })
  expect(await consents()).toEqual([
    [201, 201],
    [granted, granted],
  ])
  collector.configure({ ...settings, consent: 'granted', formConsent: { contact: 'denied' } })
  expect(await consents()).toEqual([[201, 204], [granted]])
  collector.configure({ ...settings, consent: 'denied', formConsent: { other: 'granted' } })
  expect(await consents()).toEqual([[201, 204], [granted]])
  // What an event says itself holds, whatever the file says.
  expect((await asBrowser('track', { ...view, consent: 'granted' })).status).toBe(201)
  expect(told().at(-1)?.data.consent).toBe('granted')
  collector.configure(settings)
})

test('what is older than it is to be kept says nothing any more, and its copies hear of it', async () => {
  const { collector } = door.deps
  const { body } = await send('conversion', { user_id: 'u-1', event_id: 'old' })
  expect(await collector.expire()).toBe(0)
  collector.configure({ ...eventSettings(), keepMs: -1_000 })
  expect(await collector.expire()).toBeGreaterThan(0)
  expect(await door.store.getEvent('default', String(body['id']))).toMatchObject({ data: null, meta: '{}' })
  const news = door.heard.filter(({ type }) => type === 'events.expired')
  expect(news.map(({ workspace, data }) => [workspace, JSON.parse(data ?? '')])).toEqual(
    expect.arrayContaining([['default', { before: expect.stringMatching(/Z$/), counted: true }]]),
  )
  expect(await collector.expire()).toBe(0)
  expect((await send('conversion', { event_id: 'old' })).status).toBe(201)
})
