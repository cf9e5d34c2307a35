/** Behaviour events in the engine: a row each, typed, whatever was sent. */
import { expect, test } from 'vitest'
import type { Json, LoggedEvent } from '../../core/contract/index.ts'
import { rowsOf } from '../../plugins/analytics/engine/database.ts'
import { openProjected } from '../support/projected.ts'

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
      ['evt_2', 'click', 'a', '{}'],
      ['evt_3', 'click', 's', '{}'],
      ['evt_4', 'export', null, '{}'],
      ['evt_5', 'custom', 'h', '{}'],
    ],
  )
  expect(projection.form('f')).toBeUndefined()
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
  expect(visitors).toEqual([{ visitor: 'a' }, { visitor: 'b' }])
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
