/** Two workspaces with an analytics installation of the same name: each asks its own. */
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { startHub } from '../support/hub.ts'
import { until } from '../support/wait.ts'

const SECRET = 'a secret that only this test and its hub know'
const ISSUER = 'https://id.example'

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
  const key = await new SignJWT({ scope: scopes.join(' ') })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(ISSUER)
    .setAudience('manifold')
    .setSubject('ada')
    .setExpirationTime('5m')
    .sign(new TextEncoder().encode(SECRET))
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
  expect(await ask(numbers)).toEqual({ ours: 1 })
  const refused = await hub.api('POST', '/api/v2/analytics/sql', sql, numbers)
  expect([refused.status, refused.body['detail']]).toEqual([403, expect.stringContaining('"responses:read"')])
})
