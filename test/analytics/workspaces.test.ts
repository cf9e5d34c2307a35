/** Two workspaces with an analytics installation of the same name: each asks its own. */
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { startHub } from '../support/hub.ts'
import { until } from '../support/wait.ts'

const SECRET = 'a secret that only this test and its hub know'
const ISSUER = 'https://id.example'

const signed = (scopes: readonly string[]): Promise<string> =>
  new SignJWT({ scope: scopes.join(' ') })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(ISSUER)
    .setAudience('manifold')
    .setSubject('ada')
    .setExpirationTime('5m')
    .sign(new TextEncoder().encode(SECRET))

test('a token of one workspace never gets an answer out of another', async () => {
  const scopes = ['forms:write', 'responses:write', 'responses:read', 'analytics:read']
  await using hub = await startHub({
    config: {
      forms: { contact: { name: 'Contact', fields: [{ key: 'dept', type: 'text' }] } },
      auth: { jwt: [{ issuer: ISSUER, audience: 'manifold', secret: SECRET, workspace: 'acme', scopes }] },
      installations: [
        { id: 'analytics', use: 'analytics' },
        { id: 'analytics', use: 'analytics', workspace: 'acme' },
      ],
    },
  })
  const key = await signed(scopes)
  const form = { id: 'contact', name: 'Contact', fields: [{ key: 'dept', type: 'text' }] }
  expect((await hub.api('POST', '/api/v2/forms', form, { key })).status).toBe(201)
  const post = async (dept: string, options: object = {}) =>
    (await hub.api('POST', '/api/v2/forms/contact/responses', { data: { dept } }, options)).status
  expect([await post('ours'), await post('theirs', { key })]).toEqual([201, 201])
  const question = { form_id: 'contact', aggregate: 'count', group_by: 'dept' }
  const ask = async (options: object = {}) => {
    const answered = () => hub.api('POST', '/api/v2/analytics/query', question, options)
    return (await until('analytics to answer', answered, { accept: ({ status }) => status !== 503 })).body
  }
  expect([await ask(), await ask({ key })]).toEqual([{ ours: 1 }, { theirs: 1 }])

  const sql = { sql: 'SELECT dept FROM contact' }
  const told = async (options: object = {}) => (await hub.api('POST', '/api/v2/analytics/sql', sql, options)).body
  expect([await told(), await told({ key })]).toMatchObject([{ rows: [['ours']] }, { rows: [['theirs']] }])
  const made = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'numbers', scopes: ['analytics:read'] })
  const numbers = { key: made.body.key }
  const refused = {
    words: await hub.api('POST', '/api/v2/analytics/query', question, numbers),
    sql: await hub.api('POST', '/api/v2/analytics/sql', sql, numbers),
    person: await hub.api('GET', '/api/v2/analytics/users/u-1', undefined, numbers),
  }
  for (const { status, body } of Object.values(refused))
    expect([status, body['detail']]).toEqual([403, expect.stringContaining('"responses:read"')])
  const both = await hub.api<{ key: string }>('POST', '/api/v2/keys', {
    name: 'both',
    scopes: ['analytics:read', 'responses:read'],
  })
  expect(await ask({ key: both.body.key })).toEqual({ ours: 1 })
  const { form_id: _, group_by: __, ...count } = question
  expect((await hub.api('POST', '/api/v2/analytics/query', { ...count, data_set: 'responses' }, numbers)).status).toBe(
    200,
  )
})

test('many slow questions of one workspace end as what they are; the process lives, and the neighbour is answered', async () => {
  const scopes = ['responses:read', 'analytics:read']
  await using hub = await startHub({
    config: {
      auth: { jwt: [{ issuer: ISSUER, audience: 'manifold', secret: SECRET, workspace: 'acme', scopes }] },
      limits: { pluginRouteWallMs: 1_500 },
      installations: [
        { id: 'analytics', use: 'analytics', with: { queryTimeoutMs: 60_000 } },
        { id: 'analytics', use: 'analytics', workspace: 'acme' },
      ],
    },
  })
  const ask = (sql: string, options: object = {}) => hub.api('POST', '/api/v2/analytics/sql', { sql }, options)
  const ready = async (options: object = {}) =>
    until('analytics to answer', () => ask('SELECT 1', options), { accept: ({ status }) => status === 200 })
  const key = await signed(scopes)
  await Promise.all([ready(), ready({ key })])
  const slow = 'SELECT count(*) FROM range(100000000) a(x), range(100000000) b(y) WHERE x * y = 7'
  const asked = Array.from({ length: 6 }, () => ask(slow))
  expect((await ask('SELECT 42', { key })).body).toMatchObject({ rows: [[42]] })
  const answers = await Promise.all(asked)
  // Those that had a turn were too slow, which may be two, where the first is cut off a moment before the deadline of all.
  const ends = answers.map(({ status, body }) => `${status} ${String(body['code'])}`)
  expect([...new Set(ends)].toSorted()).toEqual(['422 query_too_slow', '503 unavailable'])
  expect(ends.filter((end) => end.startsWith('422')).length).toBeLessThan(3)
  expect((await ask('SELECT 43')).body).toMatchObject({ rows: [[43]] })
  expect(await hub.metric('manifold_sandbox_restarts_total', { group: 'native' })).toBe(0)
})
