/** Which route a request is for, and what of it a plugin gets to see. */
import { expect, test } from 'vitest'
import { createMask } from '../../core/capabilities/mask.ts'
import { LIMITS } from '../../core/limits.ts'
import { matchRoute } from '../../core/registry/route-match.ts'
import { seenRequest } from '../../core/registry/route-wire.ts'

const ROUTES = { 'POST /in': {}, 'POST /in/{token}': {}, 'GET /in/list': {}, 'GET /in/{id}/{part}': {}, 'POST /': {} }
const match = (method: string, path: string) => matchRoute(ROUTES, { method, path })

test('whole segments are filled, decoded; a plain route comes first', () => {
  expect(match('POST', '/in')).toEqual({ name: 'POST /in', params: {} })
  expect(match('POST', '/')).toEqual({ name: 'POST /', params: {} })
  expect(match('POST', '/in/a%20b%2Fc')).toMatchObject({ name: 'POST /in/{token}', params: { token: 'a b/c' } })
  expect(match('GET', '/in/list')).toEqual({ name: 'GET /in/list', params: {} })
  expect(match('GET', '/in/1/2')).toMatchObject({ params: { id: '1', part: '2' } })
  expect(match('POST', '/in/__proto__')?.params).toMatchObject({ token: '__proto__' })
})

test('nothing else is served', () => {
  for (const [method, path] of [
    ['GET', '/in'],
    ['POST', '/in/'],
    ['POST', '/in/a/b'],
    ['POST', '/in/%zz'],
    ['POST', '/in/{token}x/y'],
    ['PUT', '/in/a'],
    ['POST', '/constructor'],
  ] as const)
    expect([path, match(method, path)]).toEqual([path, undefined])
})

const SECRET = 'the-secret-of-the-url'
const see = (body: 'text' | 'form' | 'base64' | undefined, bytes: Buffer, type = 'text/plain') => {
  const headers = { 'content-type': type, authorization: `Bearer ${SECRET}` }
  const query = { key: SECRET, [SECRET]: '', other: 'x' }
  const params = { token: SECRET }
  return seenRequest({
    request: { method: 'POST', path: `/in/${SECRET}`, query, headers, bytes: bytes.toString('base64') },
    route: { name: 'POST /in/{token}', params },
    arrival: { headers, query, params, bytes },
    body,
    mask: createMask([SECRET]),
    limits: LIMITS,
  })
}

test('secrets of the installation are hidden from its code', async () => {
  const seen = await see(undefined, Buffer.from('hello'))
  expect(JSON.stringify(seen)).not.toContain(SECRET)
  expect(seen).toMatchObject({ path: '/in/[secret]', query: { other: 'x' }, body: 'hello', form: [] })
})

test('so they are in its body: in a text, and in names and values of a form; exact bytes are what they are', async () => {
  expect((await see('text', Buffer.from(`{"token":"${SECRET}"}`))).body).toBe('{"token":"[secret]"}')
  const urlencoded = await see('form', Buffer.from(`${SECRET}=1&token=${SECRET}`), 'application/x-www-form-urlencoded')
  expect(urlencoded.form).toEqual([
    ['[secret]', '1'],
    ['token', '[secret]'],
  ])
  const part = `form-data; name="cv"; filename="${SECRET}.pdf"\r\nContent-Type: application/pdf`
  const file = Buffer.from(`--b\r\nContent-Disposition: ${part}\r\n\r\nx\r\n--b--\r\n`)
  expect((await see('form', file, 'multipart/form-data; boundary=b')).form).toEqual([
    ['cv', { name: '[secret].pdf', type: 'application/pdf', size: 1 }],
  ])
  const bytes = Buffer.from(SECRET)
  expect((await see('base64', bytes)).body).toBe(bytes.toString('base64'))
})

test('bytes, texts and forms', async () => {
  const bytes = Buffer.from([0xff, 0x00, 0x80])
  expect((await see('base64', bytes)).body).toBe(bytes.toString('base64'))
  const urlencoded = Buffer.from('a=1&b=%C3%BC&a=2&__proto__=x')
  expect(await see('form', urlencoded, 'application/x-www-form-urlencoded; charset=UTF-8')).toMatchObject({
    body: '',
    form: [
      ['a', '1'],
      ['b', 'ü'],
      ['a', '2'],
      ['__proto__', 'x'],
    ],
  })
  const file = Buffer.concat([
    Buffer.from(
      '--b\r\nContent-Disposition: form-data; name="cv"; filename="cv.pdf"\r\nContent-Type: application/pdf\r\n\r\n',
    ),
    bytes,
    Buffer.from('\r\n--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n--b--\r\n'),
  ])
  expect((await see('form', file, 'multipart/form-data; boundary=b')).form).toEqual([
    ['cv', { name: 'cv.pdf', type: 'application/pdf', size: 3 }],
    ['name', 'Ada'],
  ])
})

test('a form that is none is refused, and so is one of too many inputs', async () => {
  const code = (work: Promise<unknown>) => work.catch((error: { code?: string }) => error.code)
  expect(await code(see('form', Buffer.from('{}'), 'application/json'))).toBe('unsupported_media_type')
  expect(await code(see('form', Buffer.from('nothing'), 'multipart/form-data; boundary=b'))).toBe('bad_request')
  expect(await code(see('form', Buffer.from('nothing'), 'multipart/form-data'))).toBe('bad_request')
  const many = Buffer.from(Array.from({ length: LIMITS.multipartPartsMax + 1 }, (_, n) => `k${n}=`).join('&'))
  expect(await code(see('form', many, 'application/x-www-form-urlencoded'))).toBe('too_many_keys')
})
