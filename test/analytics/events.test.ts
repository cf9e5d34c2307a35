/** Behaviour events in the engine: a row each, typed, whatever was sent. */
import { expect, test } from 'vitest'
import type { Json, LoggedEvent, RouteResponse } from '../../core/contract/index.ts'
import type { Behaviour } from '../../plugins/analytics/behaviour/asking.ts'
import { funnels } from '../../plugins/analytics/behaviour/funnels.ts'
import { journeys } from '../../plugins/analytics/behaviour/journeys-question.ts'
import { cohorts, retention } from '../../plugins/analytics/behaviour/retention.ts'
import { answerBehaviour } from '../../plugins/analytics/behaviour/route.ts'
import { userPage } from '../../plugins/analytics/behaviour/user.ts'
import { rowsOf } from '../../plugins/analytics/engine/database.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { answerQuery } from '../../plugins/analytics/query/route.ts'
import { answerSaved } from '../../plugins/analytics/saved/answer.ts'
import { NEVER, openProjected } from '../support/projected.ts'
import { ask } from '../support/tracked.ts'

const AT = '2026-11-27T12:00:00.000Z'
const tracked = (
  seq: number,
  type: string,
  parts: { data?: { [key: string]: Json }; meta?: { [key: string]: Json } } = {},
): LoggedEvent => ({
  seq,
  id: `evt_${seq}`,
  type: `track.${type}`,
  v: 1,
  at: AT,
  data: { name: type, occurred_at: AT, consent: 'granted', ...parts.data },
  meta: parts.meta ?? {},
})

test('a row holds what the event says in columns of its own, and who counts as one visitor', async () => {
  await using projected = await openProjected([])
  const { projection, database } = projected
  await projection.apply(
    [
      tracked(1, 'page_view', {
        data: {
          event_id: 'e-1',
          occurred_at: '2015-05-17T10:05:00.123Z',
          user_id: 'u',
          anonymous_id: 'a',
          session_id: 's',
          form_id: 'f',
          page: { url: 'https://x.example/p', path: '/p', title: 'half \ud800', referrer_host: 'r.example' },
          context: { channel: 'web', organizer: 'o', event: 'gig' },
          campaign: { source: 'news', medium: 'mail', name: 'may' },
          value: 1.5,
          currency: 'EUR',
          subject: 'buy',
          measure: 3,
          properties: { status: 200, 'half \ud800': ['\ud800'], of: { a: null } },
        },
        meta: { device: 'desktop', browser: 'Firefox', os: 'Linux', country: 'DE' },
      }),
      tracked(2, 'click', { data: { anonymous_id: 'a' } }),
      tracked(3, 'click', { data: { session_id: 's' } }),
      tracked(4, 'custom', { data: { name: 'export' } }),
      tracked(5, 'custom', { meta: { ip_hash: 'h' } }),
    ],
    5,
  )
  const rows = await rowsOf(database.writer, 'SELECT * FROM events ORDER BY seq')
  expect(rows[0]).toEqual({
    seq: 1,
    event_id: 'e-1',
    occurred_at: new Date('2015-05-17T10:05:00.123Z'),
    received_at: new Date(AT),
    type: 'page_view',
    name: 'page_view',
    user_id: 'u',
    anonymous_id: 'a',
    visitor: 'u',
    visitor_no: 0,
    session_id: 's',
    path: '/p',
    url: 'https://x.example/p',
    title: 'half \ufffd',
    referrer_host: 'r.example',
    source: 'news',
    medium: 'mail',
    campaign: 'may',
    channel: 'web',
    device: 'desktop',
    browser: 'Firefox',
    os: 'Linux',
    country: 'DE',
    form_id: 'f',
    organizer: 'o',
    organizer_event: 'gig',
    value: 1.5,
    currency: 'EUR',
    subject: 'buy',
    action: null,
    measure: 3,
    properties: '{"status":200,"half \ufffd":["\ufffd"],"of":{"a":null}}',
    consent: 'granted',
  })
  expect(rows.map(({ event_id, name, visitor, properties }) => [event_id, name, visitor, properties]).slice(1)).toEqual(
    [
      ['evt_2', 'click', 'anonymous:a', '{}'],
      ['evt_3', 'click', 'session:s', '{}'],
      ['evt_4', 'export', null, '{}'],
      ['evt_5', 'custom', 'address:h', '{}'],
    ],
  )
  expect(projection.form('f')).toBeUndefined()
})

test('nobody is taken for a user who is not named as one, whatever they call themselves', async () => {
  await using projected = await openProjected([])
  const { projection, database } = projected
  const names = ['u-1', 'anonymous:u-1', 'user:u-1', 'user:anonymous:u-1', 'session:u-1', 'address:u-1']
  const as = (name: string): readonly [{ [key: string]: Json }, { [key: string]: Json }][] => [
    [{ user_id: name }, {}],
    [{ anonymous_id: name }, {}],
    [{ session_id: name }, {}],
    [{}, { ip_hash: name }],
  ]
  const everybody = names.flatMap(as)
  await projection.apply(
    everybody.map(([who, meta], n) => tracked(n + 1, 'click', { data: { ...who, name: `by ${n}` }, meta })),
    everybody.length,
  )
  const sql = 'SELECT count(DISTINCT visitor) AS visitors, count(DISTINCT visitor_no) AS numbers FROM events'
  const { length } = everybody
  expect(await rowsOf(database.writer, sql)).toEqual([{ visitors: length, numbers: length }])
  for (const [n, name] of names.entries()) {
    const page = await ask(projected, userPage, {}, { id: name })
    expect([page.id, page.events, page.names]).toEqual([name, 1, [{ value: `by ${n * 4}`, events: 1 }]])
  }
  const browser = await ask(projected, userPage, {}, { id: 'session:anonymous:u-1' })
  expect([browser.id, browser.names]).toEqual(['session:anonymous:u-1', [{ value: 'by 6', events: 1 }]])
})

test('those about a form go with it, and those that come after stay; nobody is remembered of whom nothing is left', async () => {
  await using projected = await openProjected([])
  const { projection, database } = projected
  const about = { data: { form_id: 'f', anonymous_id: 'only here' } }
  const gone: LoggedEvent = { seq: 3, id: 'evt_3', type: 'form.deleted', v: 1, at: AT, data: { id: 'f' } }
  await projection.apply(
    [
      tracked(1, 'click', about),
      tracked(2, 'click', { data: { anonymous_id: 'a' } }),
      gone,
      tracked(4, 'click', { data: { form_id: 'f', anonymous_id: 'b' } }),
    ],
    4,
  )
  expect(await rowsOf(database.writer, 'SELECT seq FROM events ORDER BY seq')).toEqual([{ seq: 2 }, { seq: 4 }])
  const visitors = await rowsOf(database.writer, 'SELECT visitor FROM visitors ORDER BY visitor')
  expect(visitors).toEqual([{ visitor: 'anonymous:a' }, { visitor: 'anonymous:b' }])
})

test('answers among properties go when their field is hidden, with what the family made of them', async () => {
  await using projected = await openProjected([])
  const { projection, database } = projected
  const sent = (properties: { [key: string]: Json }, form = 'f') => ({
    data: { form_id: form, subject: 'Ada', action: 'true', measure: 3, properties },
  })
  const form = { id: 'f', name: 'F', version: 2, fields: [], hidden: ['na"me', 'n'] }
  await projection.apply(
    [
      tracked(1, 'click', sent({ 'na"me': 'Ada', plan: 'x' })),
      tracked(2, 'click', sent({ n: 3, plan: 'Ada' })),
      tracked(3, 'click', sent({ 'na"me': 'Ada' }, 'other')),
      { seq: 4, id: 'evt_4', type: 'form.changed', v: 1, at: AT, data: {}, form },
    ],
    4,
  )
  expect(
    await rowsOf(
      database.writer,
      'SELECT subject, action, measure, CAST(properties AS VARCHAR) AS properties FROM events ORDER BY seq',
    ),
  ).toEqual([
    { subject: null, action: 'true', measure: 3, properties: '{"plan":"x"}' },
    { subject: 'Ada', action: 'true', measure: null, properties: '{"plan":"Ada"}' },
    { subject: 'Ada', action: 'true', measure: 3, properties: '{"na\\"me":"Ada"}' },
  ])
  // Bytes of them leave the disk like those of anything that was erased.
  expect([projection.erasures(), projection.form('f')]).toEqual([1, undefined])
})

test('what the hub keeps no longer goes', async () => {
  await using projected = await openProjected([])
  const { projection, database } = projected
  const at = (seq: number, ms: number): LoggedEvent => ({ ...tracked(seq, 'click'), at: new Date(ms).toISOString() })
  const expired = (seq: number, ms: number): LoggedEvent => ({
    seq,
    id: `evt_${seq}`,
    type: 'events.expired',
    v: 1,
    at: AT,
    data: { before: new Date(ms).toISOString() },
  })
  await projection.apply(
    [at(1, 1_000), at(2, 2_000), at(3, 3_000), expired(4, 1_500), expired(5, 2_001), at(6, 9_000)],
    6,
  )
  expect(await rowsOf(database.writer, 'SELECT seq FROM events ORDER BY seq')).toEqual([{ seq: 3 }, { seq: 6 }])
})

test('an answer that reaches behind what is kept says from when on it is of everything', async () => {
  await using projected = await openProjected([])
  const { projection, forms, readers } = projected
  const [old, kept] = ['2026-11-01T12:00:00.000Z', '2026-11-20T12:00:00.000Z']
  const seen = (seq: number, at: string): LoggedEvent => ({
    ...tracked(seq, 'page_view', { data: { user_id: `u-${seq}`, occurred_at: at, page: { path: '/' } } }),
    at,
  })
  const parts = { readers, projection, forms, timezone: 'UTC', signal: NEVER, openFields: [] }
  const query = {
    ...parts,
    asker: openAsker(readers, { timezone: 'UTC' }),
    metric: () => {},
  }
  const of = async (behaviour: Behaviour<never>, question: object): Promise<unknown> => {
    const request = { body: JSON.stringify(question), query: {}, params: {}, scopes: [] }
    const { json } = await answerBehaviour(request, 'body', { behaviour, parts })
    return (json as unknown as { meta: { complete_from: unknown } }).meta.complete_from
  }
  const asked = (question: object): Promise<RouteResponse> =>
    answerQuery({ body: JSON.stringify({ data_set: 'events', ...question }), scopes: [] }, query)
  const told = async (question: object): Promise<unknown> =>
    ((await asked({ aggregates: { n: { fn: 'count' } }, ...question })).json as unknown as { meta: object }).meta
  await projection.apply([seen(1, old), seen(2, kept)], 2)
  expect([await of(retention as never, {}), await told({})]).toMatchObject([null, { complete_from: null }])
  const before = '2026-11-10T00:00:00.000Z'
  await projection.apply([{ seq: 3, id: 'evt_3', type: 'events.expired', v: 1, at: kept, data: { before } }], 3)
  const steps = { steps: ['/', '/pricing'] }
  expect([
    await of(funnels as never, steps),
    await of(funnels as never, { ...steps, from: before }),
    await of(funnels as never, { ...steps, from: old }),
    await of(journeys as never, { from: kept }),
    await of(journeys as never, {}),
    // Whether somebody is new depends on what was before, whatever is asked about.
    await of(retention as never, { from: kept }),
    await of(retention as never, { from: kept, mode: 'recurring', period: 'day' }),
    await of(cohorts as never, { from: kept, period: 'day' }),
  ]).toEqual([before, null, before, null, before, before, null, before])
  expect(await told({})).toMatchObject({ complete_from: before })
  expect(await told({ from: kept })).toMatchObject({ complete_from: null })
  expect(await told({ from: kept, to: '2026-11-21T00:00:00Z', compare: '4w' })).toMatchObject({ complete_from: before })
  expect(await told({ data_set: 'users', from: kept })).toMatchObject({ complete_from: before })
  // So is the number of a session, and its name, wherever they stand.
  expect(await told({ data_set: 'sessions', from: kept })).toMatchObject({ complete_from: null })
  for (const part of [
    { group_by: ['session_number'] },
    { filter: { $or: [{ session_number: 1 }, { device: null }] } },
    { aggregates: { most: { fn: 'max', field: 'session_number', filter: { device: null } } } },
    { aggregates: { n: { fn: 'count', filter: { session_number: { $gt: 1 } } } } },
  ])
    expect(await told({ data_set: 'sessions', from: kept, ...part })).toMatchObject({ complete_from: before })
  expect(await told({ data_set: 'responses' })).toMatchObject({ complete_from: null })
  const map = await asked({ aggregate: 'count', group_by: 'path' })
  expect([map.body, map.headers?.['server-timing']]).toEqual([
    '{"/":1}',
    expect.stringContaining(`complete_from;desc="${before}"`),
  ])
  // A link for others says the same, and that there are more rows.
  const shown = async (question: object): Promise<unknown> => {
    const saved = { data_set: 'events', aggregate: 'count', ...question }
    return (await answerSaved({ kind: 'query', question: saved }, query)).json
  }
  await projection.apply([{ ...seen(4, kept), data: { ...seen(4, kept).data, page: { path: '/b' } } }], 4)
  expect(await shown({ group_by: 'path', limit: 1, from: kept })).toEqual({
    answer: { '/': 1 },
    next_offset: 1,
    complete_from: null,
  })
  expect(await answerSaved({ kind: 'journeys', question: {} }, query)).toMatchObject({
    json: { answer: { journeys: 2 }, next_offset: null, complete_from: before },
  })
})
