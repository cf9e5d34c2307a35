/** Plain HTML forms: the page anybody can try, and what browsers post. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDoor } from './door.ts'
import type { Answer, Door } from './door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor({
    limits: {
      bodyBytesMax: 5_000,
      batchBodyBytesMax: 20_000,
      multipartPartsMax: 20,
      stringCharsMax: 3_000,
      publicRatePerSecond: 1,
      publicRateBurst: 200,
    },
  })
  await door.saveForm('all', {
    name: 'All <b>kinds</b>',
    fields: [
      { key: 'name', label: 'Your "name" & <i>more</i>', required: true, help: '<script>alert(1)</script>' },
      { key: 'story', type: 'long_text' },
      { key: 'email', type: 'email' },
      { key: 'age', type: 'number', min: 0, max: 150 },
      { key: 'news', type: 'boolean' },
      { key: 'agree', type: 'boolean', required: true },
      { key: 'day', type: 'date' },
      { key: 'when', type: 'datetime' },
      { key: 'colour', type: 'select', options: ['red', '"><img src=x onerror=alert(1)>'] },
      { key: 'pets', type: 'multi_select', options: ['cat', 'dog', 'owl'] },
      { key: 'size', type: 'radio', options: ['S', 'M'] },
      { key: 'stars', type: 'rating' },
      { key: 'cv', type: 'file' },
      { key: 'utm', type: 'hidden' },
    ],
  })
  await door.saveForm('away', { fields: [{ key: 'a' }], redirect_url: 'https://example.com/thanks?x=1' })
  await door.saveForm('closed', { fields: [{ key: 'a' }], access: 'key' })
})
afterAll(() => door[Symbol.asyncDispose]())

const URLENCODED = { 'content-type': 'application/x-www-form-urlencoded' }
const send = (id: string, inputs: Record<string, string> | [string, string][], headers: Record<string, string> = {}) =>
  door.call('POST', `/f/${id}`, {
    key: null,
    body: new URLSearchParams(inputs).toString(),
    headers: { ...URLENCODED, ...headers },
  })
/** The one script that is the hub's own; what is left has none. */
const SNIPPET = /<script src="\/m\.js" nonce="([\w-]{22})" data-consent="minimal" data-pages="off" defer><\/script>/
const latest = async (form: string) => (await door.store.listResponses('default', { form, limit: 1 })).items[0]?.data
const count = (form: string) => door.store.countResponses('default', form)

describe('the page', () => {
  test('has one control for each field, labelled, and escapes all that people wrote', async () => {
    const page = await door.call('GET', '/f/all?utm=%22%3E%3Cscript%3Ealert(2)%3C/script%3E', { key: null })
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    for (const control of [
      'type="text"',
      '<textarea',
      'type="email"',
      'type="number"',
      'type="checkbox"',
      'type="date"',
      'type="datetime-local"',
      '<select',
      'type="radio"',
      'type="url"',
      'type="hidden"',
    ]) {
      expect(page.text).toContain(control)
    }
    expect(page.text).toContain('for="f-name"')
    expect(page.text).toContain('Your &quot;name&quot; &amp; &lt;i&gt;more&lt;/i&gt;')
    expect(page.text.replace(SNIPPET, '')).not.toMatch(/<script|<img|<i>|<b>/)
    expect(page.text).toContain('value="&quot;&gt;&lt;script&gt;alert(2)')
  })

  test('allows nothing but its own style, its own script and its own action', async () => {
    const { headers, text } = await door.call('GET', '/f/all', { key: null })
    const policy = headers['content-security-policy'] ?? ''
    const [, nonce] = SNIPPET.exec(text) ?? []
    expect(policy).toContain(`script-src 'nonce-${nonce}'; connect-src 'self';`)
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("form-action 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|script-src '(?!nonce)|\*/)
    // Browsers hold the redirect after a form against form-action too.
    expect((await door.call('GET', '/f/away', { key: null })).headers['content-security-policy']).toContain(
      "form-action 'self' https://example.com;",
    )
  })

  test('is a plain page for a form that is not there or not public', async () => {
    const missing = await door.call('GET', '/f/nix', { key: null })
    expect([missing.status, missing.headers['content-type']]).toEqual([404, 'text/html; charset=utf-8'])
    expect((await door.call('GET', '/f/closed', { key: null })).status).toBe(401)
  })
})

const GOOD = { name: 'Ada', agree: 'true' }

describe('posting', () => {
  test('urlencoded answers are converted, checked and stored', async () => {
    const answer = await send('all', [
      ['name', 'Ada'],
      ['story', ''],
      ['email', ''],
      ['age', ' 36 '],
      ['news', 'on'],
      ['agree', 'false'],
      ['day', '2026-05-31'],
      ['when', '2026-05-31T09:30'],
      ['colour', 'red'],
      ['pets', 'cat'],
      ['pets', 'owl'],
      ['size', ''],
      ['stars', '4'],
      ['cv', ''],
      ['utm', 'mail'],
      ['extra', 'kept'],
    ])
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(answer.text).toContain('Thank you')
    expect(await latest('all')).toEqual({
      name: 'Ada',
      story: '',
      age: 36,
      news: true,
      agree: false,
      day: '2026-05-31',
      when: '2026-05-31T09:30:00.000Z',
      colour: 'red',
      pets: ['cat', 'owl'],
      stars: 4,
      utm: 'mail',
      extra: 'kept',
    })
  })

  test('goes on to the redirect when there is one', async () => {
    const answer = await send('away', { a: 'x' })
    expect([answer.status, answer.headers['location']]).toEqual([303, 'https://example.com/thanks?x=1'])
    expect(await latest('away')).toEqual({ a: 'x' })
  })

  test('answers that do not fit come back in the form, with what was typed kept and escaped', async () => {
    const before = await count('all')
    const evil = '"><script>alert(3)</script>'
    const answer = await send('all', {
      name: '',
      email: evil,
      story: `</textarea>${evil}`,
      age: '200',
      pets: 'dog',
      [evil]: 'x',
    })
    expect(answer.status).toBe(422)
    expect(answer.text).toContain('role="alert"')
    expect(answer.text).toContain('href="#f-name"')
    expect(answer.text).toContain('This is required.')
    expect(answer.text).toContain('This must be at most 150.')
    expect(answer.text).toContain('value="200"')
    expect(answer.text).toContain('value="dog" checked')
    expect(answer.text).toContain('&lt;/textarea&gt;&quot;&gt;&lt;script&gt;')
    expect(answer.text.replace(SNIPPET, '')).not.toMatch(/<script/)
    expect(await count('all')).toBe(before)
  })

  test('a filled-in honeypot looks like success and stores nothing', async () => {
    const before = await count('all')
    const honest = await send('all', { ...GOOD, _gotcha: '' })
    const robot = await send('all', { ...GOOD, _gotcha: 'http://spam.example' })
    expect([robot.status, robot.text]).toEqual([honest.status, honest.text])
    expect(await count('all')).toBe(before + 1)
    expect(door.rejected).toContain('honeypot')
    expect(await latest('all')).not.toHaveProperty('_gotcha')
    const json = await send('all', { ...GOOD, _gotcha: 'x' }, { accept: 'application/json' })
    expect([json.status, Object.keys(json.body)]).toEqual([
      201,
      ['id', 'form_id', 'status', 'submitted_at', 'event_id'],
    ])
    expect(await count('all')).toBe(before + 1)
  })

  test('a second click on the same page is the same response', async () => {
    const page = await door.call('GET', '/f/all', { key: null })
    const once = /name="_once" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
    expect(once).not.toBe('')
    const before = await count('all')
    expect((await send('all', { ...GOOD, _once: once })).status).toBe(200)
    expect((await send('all', { ...GOOD, _once: once })).status).toBe(200)
    expect((await send('all', { ...GOOD, story: 'changed', _once: once })).status).toBe(200)
    expect(await count('all')).toBe(before + 1)
    expect(await latest('all')).not.toHaveProperty('_once')
  })

  test('scripts that ask for JSON get the answers of the API', async () => {
    const good = await send('all', GOOD, { accept: 'application/json' })
    expect([good.status, good.body['status']]).toEqual([201, 'completed'])
    const bad = await send('all', { agree: 'true' }, { accept: 'application/json' })
    expect([bad.status, bad.body['errors']]).toEqual([422, [{ pointer: '/data/name', detail: 'is required' }]])
  })

  test('a body that poses as a parsed upload is not read as one', async () => {
    const before = await count('all')
    const body = '{"data":{"cv":{"filepath":"/etc/passwd","name":"x"}},"files":{"x":{"filepath":"/etc/passwd"}}}'
    expect(
      (await door.call('POST', '/f/all', { key: null, body, headers: { 'content-type': 'application/json' } })).status,
    ).toBe(415)
    expect(await count('all')).toBe(before)
  })

  test('strange names are data', async () => {
    expect(
      (
        await send('all', [
          ...Object.entries(GOOD),
          ['__proto__', 'a'],
          ['constructor', 'b'],
          ['a[b][c]', 'd'],
          ['x.y', 'e'],
        ])
      ).status,
    ).toBe(200)
    const data = await latest('all')
    expect(JSON.stringify(data)).toContain('"__proto__":"a","constructor":"b","a[b][c]":"d","x.y":"e"')
    expect(({} as Record<string, unknown>)['b']).toBeUndefined()
  })

  test('too many inputs and too long ones are refused', async () => {
    expect((await send('all', Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, 'x'])))).status).toBe(
      400,
    )
    expect((await send('all', { ...GOOD, story: 'x'.repeat(3_001) })).status).toBe(400)
    expect((await send('all', { ...GOOD, story: 'x'.repeat(6_000) })).status).toBe(413)
  })

  test('a form that takes keys only is closed to browsers', async () => {
    expect((await send('closed', { a: 'x' })).status).toBe(401)
    expect(await count('closed')).toBe(0)
  })
})

describe('multipart', () => {
  type Part = [name: string, value: string, file?: { name: string; type: string }]
  const multipart = (parts: readonly Part[], more: { boundary?: string; end?: boolean } = {}): Promise<Answer> => {
    const boundary = more.boundary ?? 'xYzZy'
    const lines = parts.map(([name, value, file]) => {
      const disposition = `Content-Disposition: form-data; name="${name}"${file === undefined ? '' : `; filename="${file.name}"\r\nContent-Type: ${file.type}`}`
      return `--${boundary}\r\n${disposition}\r\n\r\n${value}\r\n`
    })
    const body = `${lines.join('')}${more.end === false ? '' : `--${boundary}--\r\n`}`
    return door.call('POST', '/f/all', {
      key: null,
      body,
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    })
  }

  test('fields are read; of a file its name, type and size are kept and its bytes are not', async () => {
    const secret = 'BYTES-OF-THE-FILE'.repeat(100)
    const answer = await multipart([
      ['name', 'Ädä'],
      ['agree', 'true'],
      ['pets', 'cat'],
      ['pets', 'dog'],
      ['cv', secret, { name: 'c:\\cv\\müller.pdf', type: 'application/pdf' }],
    ])
    expect(answer.status).toBe(200)
    const data = await latest('all')
    expect(data).toMatchObject({
      name: 'Ädä',
      pets: ['cat', 'dog'],
      cv: { type: 'application/pdf', size: secret.length },
    })
    expect(JSON.stringify(data)).not.toContain('BYTES')
    expect((data as { cv: { name: string } }).cv.name).toMatch(/müller\.pdf$/)
  })

  test('a file input nobody used is unanswered', async () => {
    expect(
      (
        await multipart([
          ['name', 'Ada'],
          ['agree', 'true'],
          ['cv', '', { name: '', type: 'application/octet-stream' }],
        ])
      ).status,
    ).toBe(200)
    expect(await latest('all')).not.toHaveProperty('cv')
  })

  test('too many parts, too large parts and too large bodies are refused, and nothing is stored', async () => {
    const before = await count('all')
    const good: Part[] = [
      ['name', 'Ada'],
      ['agree', 'true'],
    ]
    expect((await multipart([...good, ...Array.from({ length: 20 }, (_, i): Part => [`k${i}`, 'x'])])).status).toBe(400)
    expect((await multipart([...good, ['story', 'x'.repeat(5_100)]])).status).toBe(413)
    expect((await multipart([...good, ['story', 'x'.repeat(3_100)]])).status).toBe(400)
    expect((await multipart([...good, ['cv', 'x'.repeat(21_000), { name: 'a', type: 'text/plain' }]])).status).toBe(413)
    expect((await multipart([...good, ['n'.repeat(500), 'x']])).status).toBe(422)
    expect(await count('all')).toBe(before)
  })

  test('what is not well formed is a bad request', async () => {
    expect(
      (
        await multipart(
          [
            ['name', 'Ada'],
            ['agree', 'true'],
          ],
          { end: false },
        )
      ).status,
    ).toBe(400)
    for (const type of ['multipart/form-data', 'multipart/form-data; boundary=']) {
      expect(
        (await door.call('POST', '/f/all', { key: null, body: '--x\r\n\r\n', headers: { 'content-type': type } }))
          .status,
      ).toBe(400)
    }
    expect(door.errors).toEqual([])
  })
})

test('an address that sends too much waits; a key does not', async () => {
  await door.saveForm('busy', { fields: [] })
  let limited: Answer | undefined
  for (let i = 0; i < 250 && limited === undefined; i++) {
    const answer = await send('busy', { a: String(i) }, { accept: 'application/json' })
    if (answer.status === 429) limited = answer
  }
  expect(limited?.body).toMatchObject({ code: 'rate_limited' })
  expect(limited?.headers['retry-after']).toMatch(/^[1-9]\d*$/)
  const inBrowser = await send('busy', { a: 'more' }, { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
  expect([inBrowser.status, inBrowser.headers['content-type']]).toEqual([429, 'text/html; charset=utf-8'])
  expect(inBrowser.text).toContain('<h1>Too many requests</h1>')
  expect(inBrowser.headers['retry-after']).toMatch(/^[1-9]\d*$/)
  expect((await door.call('POST', '/api/v2/forms/busy/responses', { key: null, json: { data: {} } })).status).toBe(429)
  expect((await door.call('POST', '/api/v2/forms/busy/responses', { json: { data: {} } })).status).toBe(201)
})
