/** Somebody else's form builder as a source: its signed webhook becomes a response, and nobody else's does. */
import { expect, test } from 'vitest'
import { formbricks, googleForms, jotform, tally, typeform } from '../../integrations/sources/samples.ts'
import { byFormbricks, byJotform, byScript, byTally, byTypeform } from '../../integrations/sources/senders.ts'
import type { Sent } from '../../integrations/sources/senders.ts'
import { LIMITS } from '../../core/limits.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { hook, sceneConfig } from '../support/scene.ts'
import { until } from '../support/wait.ts'

const SECRET = 'a-secret-of-the-sender-0123456789'
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

const source = (from: string, more: object = {}) => ({
  id: from,
  use: 'sources',
  with: { from, secret: from === 'formbricks' ? WHSEC : SECRET, ...more },
})

interface Told {
  readonly id?: string
  readonly result?: string
  readonly error?: string
  readonly code?: string
}
/** As the sender's servers do: no key of the hub. */
const post = (hub: Hub, path: string, { body, headers }: { body: string | Buffer; headers: Sent['headers'] }) =>
  hub.api<Told>('POST', `/i/${path}`, body, { key: null, headers })

/** Resolves when the plugin answers. */
const loaded = (hub: Hub, path: string) =>
  until('the plugin to be loaded', () => post(hub, path, { body: '{}', headers: {} }), {
    accept: ({ status }) => status !== 503,
  })

interface Stored {
  readonly id: string
  readonly form_id: string
  readonly status: string
  readonly client_id: string | null
  readonly data: Readonly<Record<string, unknown>>
  readonly meta: Readonly<Record<string, unknown>>
}
const responses = async (hub: Hub): Promise<readonly Stored[]> =>
  (await hub.api<{ items: Stored[] }>('GET', '/api/v2/responses?limit=200')).body.items

test('six senders, one inlet: stored before the answer, passed on to the plugins, and a repeat is the same response', async () => {
  await using receiver = await startReceiver()
  const json = { id: '/id', answers: '/answers', signature: 'standard' }
  const installations = [
    ...['typeform', 'tally', 'jotform', 'formbricks', 'google-forms'].map((from) => source(from)),
    { ...source('json', { form: 'leads', json }), with: { from: 'json', secret: WHSEC, form: 'leads', json } },
    hook('honest', receiver.url),
  ]
  await using hub = await startHub({ config: sceneConfig({ installations }) })
  await loaded(hub, 'json/in')
  const now = new Date()
  const sent: readonly (readonly [string, Sent])[] = [
    ['typeform/in', await byTypeform(typeform(), SECRET)],
    ['tally/in', await byTally(tally(), SECRET)],
    [`jotform/jotform/${SECRET}`, byJotform(jotform())],
    ['formbricks/in', byFormbricks(formbricks('responseFinished', { q1: 'ja' }), WHSEC, { at: now })],
    ['google-forms/in', await byScript(googleForms(), SECRET, now)],
    ['json/in', byFormbricks({ id: 'r-1', answers: { key: 'k' } }, WHSEC, { at: now })],
  ]
  const ids: string[] = []
  for (const [path, request] of sent) {
    const answer = await post(hub, path, request)
    expect([path, answer.status, answer.body.result]).toEqual([path, 200, 'stored'])
    const { id = '' } = answer.body
    expect((await hub.api('GET', `/api/v2/responses/${id}`)).status).toBe(200)
    ids.push(id)
  }
  for (const [index, [path, request]] of sent.entries()) {
    const again = await Promise.all([post(hub, path, request), post(hub, path, request)])
    for (const { status, body } of again) expect([status, body]).toEqual([200, { id: ids[index], result: 'duplicate' }])
  }
  const stored = await responses(hub)
  expect(stored.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  expect(stored.map(({ form_id: form }) => form).toSorted()).toEqual([
    'formbricks-cm8wz6n3a0002l508c4r9t2yb',
    'google-forms-1FAIpQLSd',
    'jotform-253117572694059',
    'leads',
    'tally-VwbNEw',
    'typeform-lT4Z3j',
  ])
  expect(stored.find(({ form_id: form }) => form === 'leads')?.client_id).toBe('json:r-1')
  const health = (accept: (shown: Record<string, unknown>) => boolean) =>
    until('its health', async () => (await hub.api('GET', '/api/v2/installations/tally')).body, { accept })
  await health((shown) => shown['last_success_at'] !== null && shown['failure_streak'] === 0)
  for (let n = 0; n < 3; n++) await post(hub, 'tally/in', { ...(sent[1]?.[1] as Sent), headers: {} })
  const refused = await health((shown) => shown['failure_streak'] === 3)
  expect([refused['last_error_code'], refused['last_error']]).toEqual([
    'http_401',
    'POST /in refused a request with 401: The signature is missing.',
  ])
  const raised = await hub.api<{ items: readonly object[] }>('GET', '/api/v2/events?type=alert.raised')
  expect(raised.body.items).toEqual([])
  await settled(hub)
  expect(receiver.requests).toHaveLength(6)
  expect(await hub.metric('manifold_plugin_sources_taken')).toBe(6)
  expect(await hub.metric('manifold_plugin_sources_repeated')).toBe(12)
  // A form that a plugin made is nobody's door.
  const stranger = await hub.api('POST', '/api/v2/forms/typeform-lT4Z3j/responses', { data: {} }, { key: null })
  expect(stranger.status).toBe(401)
  expect(hub.stderr).not.toContain(SECRET)
})

test('forged, replayed, garbled, poisoned and huge: nothing is stored, and the log has neither bodies nor secrets', async () => {
  const installations = [source('typeform'), source('google-forms'), source('jotform'), source('tally')]
  await using hub = await startHub({ config: sceneConfig({ installations }) })
  await loaded(hub, 'tally/in')
  const now = new Date()
  const good = await byTypeform(typeform(), SECRET)
  const script = await byScript(googleForms(), SECRET, now)
  const signed = (body: string): Promise<Sent> => byTypeform(body, SECRET)
  const wrong: readonly (readonly [string, string, { body: string | Buffer; headers: Sent['headers'] }, number])[] = [
    ['unsigned', 'typeform/in', { body: good.body, headers: { 'content-type': 'application/json' } }, 401],
    ['of another secret', 'typeform/in', await byTypeform(typeform(), 'another-secret-0123456789'), 401],
    ['of another body', 'typeform/in', { ...good, body: good.body.replace('It works', 'It fails') }, 401],
    ['in the style of another', 'tally/in', good, 401],
    ['hex for base64', 'typeform/in', { ...good, headers: { 'typeform-signature': `sha256=${'ab'.repeat(32)}` } }, 401],
    ['not UTF-8', 'typeform/in', { body: Buffer.from([0xff, 0xfe]), headers: good.headers }, 401],
    [
      'ten minutes old',
      'google-forms/in',
      await byScript(googleForms(), SECRET, new Date(now.getTime() - 600_000)),
      401,
    ],
    [
      'ten minutes early',
      'google-forms/in',
      await byScript(googleForms(), SECRET, new Date(now.getTime() + 600_000)),
      401,
    ],
    ['with a new time', 'google-forms/in', retimed(script), 401],
    ['in the wrong path', 'jotform/jotform/not-the-secret-of-the-url', byJotform(jotform()), 401],
    ['without its path', 'jotform/in', byJotform(jotform()), 401],
    ['no form', `jotform/jotform/${SECRET}`, { body: '{}', headers: { 'content-type': 'application/json' } }, 415],
    ['a broken form', `jotform/jotform/${SECRET}`, { ...byJotform(jotform()), body: '--x' }, 400],
    ['rawRequest is no JSON', `jotform/jotform/${SECRET}`, byJotform({ ...jotform(), rawRequest: '{' }), 400],
    ['no JSON', 'typeform/in', await signed('<xml/>'), 400],
    ['no answers in it', 'typeform/in', await signed('{"event_type":"form_response"}'), 400],
    ['a list', 'typeform/in', await signed('[1,2]'), 200],
    ['huge', 'typeform/in', await signed('x'.repeat(LIMITS.pluginRouteBodyBytesMax + 1)), 413],
  ]
  for (const [what, path, request, status] of wrong) {
    const answer = await post(hub, path, request)
    expect([what, answer.status]).toEqual([what, status])
  }
  expect(await responses(hub)).toEqual([])
  expect((await hub.api<{ total: number }>('GET', '/api/v2/quarantine')).body.total).toBe(0)
  expect(await hub.metric('manifold_plugin_sources_refused')).toBe(12)
  expect(await hub.metric('manifold_plugin_sources_unreadable')).toBe(3)
  const lines = hub.logs.filter(({ msg }) => msg === 'a webhook was refused: its signature is not right')
  expect(lines).toHaveLength(12)
  expect(lines[1]).toMatchObject({ installation: 'typeform', plugin: 'sources', fields: { reason: 'missing' } })
  for (const secret of [SECRET, 'It works fine.', 'ada@example.com', 'Lovelace'])
    expect(hub.stderr).not.toContain(secret)

  // Names that mean something to JavaScript are names here; the deep and the many are refused as anywhere.
  const poisoned = typeform({
    token: 'poison',
    answers: ['__proto__', 'constructor', 'hasOwnProperty'].map((ref) => ({
      type: 'text',
      text: 'x',
      field: { id: ref, ref, type: 'short_text' },
    })),
  })
  const answer = await post(hub, 'typeform/in', await byTypeform(poisoned, SECRET))
  expect([answer.status, answer.body.result]).toEqual([200, 'stored'])
  const [stored] = await responses(hub)
  expect(Object.keys(stored?.data ?? {}).filter((key) => key.startsWith('f_'))).toEqual([
    'f_proto__',
    'f_constructor',
    'f_hasOwnProperty',
  ])
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

test('what the form does not take: 422, kept in quarantine, and released once the form was mended', async () => {
  await using receiver = await startReceiver()
  const installations = [
    source('typeform', { form: 'survey', forms: 'map', fields: { key: 'more', score: 'nps' } }),
    hook('honest', receiver.url),
  ]
  await using hub = await startHub({ config: sceneConfig({ installations }) })
  const definition = (max: number) => ({
    name: 'Survey',
    fields: [{ key: 'key' }, { key: 'score', type: 'number', max }],
  })
  await hub.api('POST', '/api/v2/forms', { id: 'survey', ...definition(5) })
  await loaded(hub, 'typeform/in')
  const sent = await byTypeform(typeform(), SECRET)
  const first = await post(hub, 'typeform/in', sent)
  expect([first.status, first.body.error]).toEqual([422, '/data/score must be at most 5.'])
  expect((await post(hub, 'typeform/in', sent)).body.id).toBe(first.body.id)
  const held = await hub.api<{ items: Record<string, unknown>[]; total: number }>(
    'GET',
    '/api/v2/quarantine?reason=form-mismatch',
  )
  expect(held.body.total).toBe(1)
  expect(held.body.items[0]).toMatchObject({
    id: first.body.id,
    installation: 'typeform',
    plugin: 'sources',
    verdict: 'rejected',
    message: '/data/score must be at most 5.',
    received: { key: 'It works fine.', score: 9 },
  })
  expect(await hub.metric('manifold_quarantine_responses', { verdict: 'rejected' })).toBe(1)
  // It still does not fit: both ways of releasing leave it where it is.
  const early = await hub.api('POST', `/api/v2/quarantine/${first.body.id}/release`)
  expect([early.status, early.body['code']]).toEqual([422, 'invalid_response'])
  const none = await hub.api('POST', '/api/v2/quarantine/release', {})
  expect(none.body).toEqual({ dry_run: false, matched: 1, released: 0 })
  expect(await responses(hub)).toEqual([])

  expect((await hub.api('PUT', '/api/v2/forms/survey', definition(10))).status).toBe(200)
  const all = await hub.api('POST', '/api/v2/quarantine/release', {})
  expect(all.body).toEqual({ dry_run: false, matched: 1, released: 1 })
  expect(await responses(hub)).toMatchObject([{ id: first.body.id, data: { key: 'It works fine.', score: 9 } }])
  // The sender's last retry finds it there.
  expect((await post(hub, 'typeform/in', sent)).body).toEqual({ id: first.body.id, result: 'duplicate' })
  await settled(hub)
  expect(receiver.requests).toHaveLength(1)
})

test('transforms see what its form did not take when it is released: what they put aside waits, and is stored when it is released again', async () => {
  const installations = [
    source('typeform', { form: 'survey', forms: 'map', fields: { key: 'more', score: 'nps' } }),
    { id: 'spam', use: 'spam-filter', when: { form: 'survey' }, with: { words: ['works', 'fine'] } },
  ]
  await using hub = await startHub({ config: sceneConfig({ installations }) })
  const definition = (max: number) => ({
    name: 'Survey',
    fields: [{ key: 'key' }, { key: 'score', type: 'number', max }],
  })
  await hub.api('POST', '/api/v2/forms', { id: 'survey', ...definition(5) })
  await loaded(hub, 'typeform/in')
  const sent = await byTypeform(typeform(), SECRET)
  const { id } = (await post(hub, 'typeform/in', sent)).body
  await hub.api('PUT', '/api/v2/forms/survey', definition(10))
  const all = await hub.api('POST', '/api/v2/quarantine/release', {})
  expect(all.body).toEqual({ dry_run: false, matched: 1, released: 0 })
  const waits = async () => (await hub.api<{ items: object[] }>('GET', '/api/v2/quarantine')).body.items
  expect(await waits()).toMatchObject([{ id, verdict: 'flagged', installation: 'spam' }])
  expect(await responses(hub)).toEqual([])
  const [one, other] = [typeform({ token: 'other' }), `/api/v2/quarantine`]
  await hub.api('PUT', '/api/v2/forms/survey', definition(5))
  const second = (await post(hub, 'typeform/in', await byTypeform(one, SECRET))).body.id
  await hub.api('PUT', '/api/v2/forms/survey', definition(10))
  const single = await hub.api('POST', `${other}/${second}/release`)
  expect([single.status, single.body['detail']]).toEqual([409, expect.stringMatching(/"spam" has put it aside: says/)])
  for (const each of [id, second]) expect((await hub.api('POST', `${other}/${each}/release`)).status).toBe(200)
  expect([(await responses(hub)).length, await waits()]).toEqual([2, []])
})

/** The signature of another time under a new one. */
function retimed({ body, headers }: Sent): Sent {
  const [time, signature] = (headers['x-manifold-signature'] ?? '').split(',')
  return { body, headers: { ...headers, 'x-manifold-signature': `t=${Number(time?.slice(2)) + 1},${signature}` } }
}
