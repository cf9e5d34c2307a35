/** Two workspaces with an analytics installation of the same name: each asks its own. */
import { readFileSync } from 'node:fs'
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { familyOf } from '../bench/processes.ts'
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

/** Each made more of a list, a map, a struct than there is memory, while all others waited. */
const HOSTILE = [
  `SELECT l, l, l, l FROM (SELECT list(i) AS l FROM range(5000000) t(i))`,
  `SELECT list(i) FROM range(3000000) t(i)`,
  `SELECT l, l, l, l, l, l, l, l FROM (SELECT list(DATE '2026-01-01') AS l FROM range(10000000) t(i))`,
  `SELECT list({'a': i, 'b': {'c': [i]}}) FROM range(1000000) t(i)`,
  `SELECT histogram(i) FROM range(300000) t(i)`,
  `SELECT map(list(i), list(i)) FROM range(2000000) t(i)`,
  `SELECT list({'${'x'.repeat(9_000)}': i}) FROM range(300000) t(i)`,
  `SELECT l FROM (SELECT list(i) AS l FROM range(100000) t(i)), range(3000)`,
  `SELECT list(i) OVER () FROM range(100000) t(i)`,
  ...[
    `len(string_split(t, ''))`,
    `len(regexp_extract_all(t, '.'))`,
    `len(CAST('[' || left(t, 9999) || ']' AS VARCHAR[]))`,
    `len(CAST(t AS "bit"))`,
    `CASE WHEN i % 2 = 0 THEN NULL::VARCHAR[100000] END IS NULL`,
    `len(json_extract(t, '$[*]'))`,
    `len(t -> concat('$[', '*]'))`,
    `strlen(strftime(TIMESTAMP '2026-01-01', t))`,
    Array.from({ length: 40 }, (_, n) => `reverse(t) AS t${n}`).join(', '),
  ].map((made) => `SELECT ${made} FROM (SELECT i, '${'%c'.repeat(10_000)}' AS t FROM range(4096) r(i))`),
  `SELECT strlen(${Array.from({ length: 30 }).reduce<string>((s) => `to_json(${s})::VARCHAR`, `'"'`)})`,
  `SELECT strlen(${Array.from({ length: 30 }).reduce<string>((s) => `([${s}]::VARCHAR)`, `'"'''`)})`,
  `SELECT strlen('a'${'::BLOB::BIT::VARCHAR'.repeat(10)})`,
]

const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8')
const peakBytes = (pid: number | undefined): number =>
  Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024

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
  const pid = familyOf(hub.pid).find((each) => commandOf(each).includes('native'))
  for (const hostile of HOSTILE) {
    const [answer, neighbour] = await Promise.all([ask(hostile), ask('SELECT 44', { key })])
    // For what they are, and not since they took too long.
    expect([hostile, answer.status, answer.body['code']]).toEqual([hostile, 422, 'invalid_query'])
    expect([hostile, neighbour.body]).toMatchObject([hostile, { rows: [[44]] }])
  }
  const listed = await ask('SELECT i % 3, list(i), histogram(i % 2) FROM range(30000) t(i) GROUP BY 1 ORDER BY 1')
  const rows = listed.body['rows'] as [number, number[], unknown[]][]
  expect(rows.map(([third, numbers, counted]) => [third, numbers.length, counted.length])).toEqual([
    [0, 10_000, 2],
    [1, 10_000, 2],
    [2, 10_000, 2],
  ])
  // The most it ever had: half a gigabyte is the engine's own, and what is made of an answer is no more than that.
  expect(peakBytes(pid)).toBeLessThan(2 ** 30)
  expect(await hub.metric('manifold_sandbox_restarts_total', { group: 'native' })).toBe(0)
})
