/** `/m.js` in a real Chromium: what a visitor does with pages and forms becomes events, and nothing does where consent is denied. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { browse } from '../support/browser.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { caughtUp } from '../support/surveys.ts'
import { until } from '../support/wait.ts'

const BYTES_MAX = 2_048
const CONFIG = {
  forms: {
    contact: {
      name: 'Contact',
      fields: [
        { key: 'email', type: 'email' },
        { key: 'note', type: 'text' },
      ],
    },
    unasked: { name: 'Unasked', fields: [{ key: 'note', type: 'text' }] },
    staff: { name: 'Staff', access: 'key', fields: [{ key: 'note', type: 'text' }] },
  },
  events: { access: 'public', formConsent: { unasked: 'denied' } },
  installations: [{ id: 'analytics', use: 'analytics' }],
}

let hub: Hub
/** How often the page was loaded to which visitors leave. */
let lefts = 0
const site = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://site.invalid')
  if (pathname === '/left') lefts += 1
  response.setHeader('content-type', 'text/html')
  response.end(`<!doctype html><title>Site</title>
    <form method="post" action="${hub.url}/f/contact"><input name="email"><input name="note"><button>Send</button></form>
    <script src="${hub.url}/m.js" data-consent="${searchParams.get('consent') ?? 'granted'}"></script>
    <script>${pathname === '/left' ? '' : ACTS[pathname]}</script>`)
})
const origin = (): string => `http://127.0.0.1:${(site.address() as AddressInfo).port}`

/** What a visitor does on each page: half a second in the address, and on. */
const FILL = `const [form] = document.forms; form.email.focus()
  setTimeout(() => { form.email.value = 'ada@example.com'; form.note.focus() }, 500);`
const ACTS: Readonly<Record<string, string>> = {
  '/leaves': `${FILL} setTimeout(() => { location.href = '/left?consent=denied' }, 800)`,
  '/long': `const [form] = document.forms
    for (let n = 0; n < 120; n += 1) form.append(Object.assign(document.createElement('input'), { name: 'n' + n }))
    for (const each of form.querySelectorAll('[name^=n]')) each.focus()
    setTimeout(() => { location.href = '/left?consent=denied' }, 100)`,
  '/sends': `${FILL} setTimeout(() => form.requestSubmit(), 900)`,
}

beforeAll(async () => {
  hub = await startHub({ config: CONFIG })
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  site.closeAllConnections()
  site.close()
  await hub?.[Symbol.asyncDispose]()
})

interface Logged {
  readonly type: string
  readonly data: { readonly [key: string]: unknown }
  readonly meta: { readonly [key: string]: unknown }
}

/** Behaviour events so far, once there are so many. */
async function events(count: number): Promise<readonly Logged[]> {
  const read = async () => {
    const { body } = await hub.api<{ items: Logged[] }>('GET', '/api/v2/events?limit=200')
    return body.items.filter(({ type }) => type.startsWith('track.'))
  }
  return until(`${count} events`, read, { accept: (items) => items.length >= count })
}
const types = (items: readonly Logged[]) => items.map(({ type }) => type.slice('track.'.length))

test('it is small, and may be loaded by any page', async () => {
  const { status, headers, text } = await hub.api('GET', '/m.js', undefined, { key: null })
  expect([status, headers['content-type']]).toEqual([200, 'text/javascript; charset=utf-8'])
  expect(headers['cross-origin-resource-policy']).toBe('cross-origin')
  expect(Buffer.byteLength(text)).toBeLessThan(BYTES_MAX)
})

test('a form is seen, begun, filled in and left: how long in which field, and nothing of what was typed', async () => {
  await using _visitor = await browse(`${origin()}/leaves?utm_source=news&token=secret`)
  const all = await events(6)
  expect(types(all)).toEqual(['page_view', 'form_view', 'form_start', 'form_abandon', 'form_field', 'form_field'])
  const [view, , , abandon, email] = all
  expect(view?.data).toMatchObject({
    consent: 'granted',
    page: { url: `${origin()}/leaves`, path: '/leaves', title: 'Site' },
    campaign: { source: 'news' },
  })
  expect(view?.meta).toMatchObject({ browser: 'Chrome', os: 'Linux', ip_hash: expect.any(String) })
  expect(email?.data).toMatchObject({ form_id: 'contact', subject: 'email', measure: expect.any(Number) })
  expect(Number(email?.data['measure'])).toBeGreaterThan(0)
  expect(abandon?.data).toMatchObject({ form_id: 'contact', subject: 'note' })
  expect(new Set(all.map(({ data }) => data['anonymous_id'])).size).toBe(1)
  expect(JSON.stringify(all)).not.toMatch(/ada@example|secret/)
})

test('a form that is sent is no form that is left; with little consent nobody is recognised', async () => {
  const before = (await events(6)).length
  await using _visitor = await browse(`${origin()}/sends?consent=minimal`)
  const all = (await events(before + 6)).slice(before)
  expect(types(all)).toEqual(['page_view', 'form_view', 'form_start', 'form_submit', 'form_field', 'form_field'])
  for (const { data, meta } of all) {
    expect([data['consent'], data['anonymous_id']]).toEqual(['minimal', undefined])
    expect(Object.keys(meta)).toEqual(['device'])
  }
  const responses = async () =>
    (await hub.api<{ items: { data: object }[] }>('GET', '/api/v2/forms/contact/responses')).body.items
  const items = await until('the response', responses, { accept: ({ length }) => length > 0 })
  expect(items.map(({ data }) => data)).toEqual([{ email: 'ada@example.com', note: '' }])
  // One of the two visits came to the end; the other was left in the note.
  await caughtUp(hub)
  const { body } = await hub.api<{
    completion: object
    fields: { key: string; reached: number; left: number; drop_off: number }[]
  }>('GET', '/api/v2/analytics/forms/contact/metrics')
  const visits = { views: 2, started: 2, completed: 1, abandoned: 1, rate: 0.5 }
  expect(body.completion).toMatchObject({ base: 'snippet', ...visits })
  expect(body.fields.map(({ key, reached, left, drop_off: share }) => [key, reached, left, share])).toEqual([
    ['email', 2, 0, 0],
    ['note', 2, 1, 0.5],
  ])
})

test('where consent is denied nothing is sent', async () => {
  const before = await events(12)
  const left = lefts
  await using _visitor = await browse(`${origin()}/leaves?consent=denied`)
  await until('the visitor to leave', () => lefts > left)
  expect(await events(12)).toEqual(before)
})

test('of a form with more fields than are taken at once, all are told as it is left', async () => {
  const before = (await events(12)).length
  await using _visitor = await browse(`${origin()}/long?consent=minimal`)
  const all = types((await events(before + 125)).slice(before))
  // `note` begins with the letter, too.
  expect(all.filter((type) => type === 'form_field')).toHaveLength(121)
  expect(all.filter((type) => type !== 'form_field')).toEqual(['page_view', 'form_view', 'form_start', 'form_abandon'])
})

test("the hub's own page of a form tells of its visitors as well, no more than may be known, and where nothing may it loads nothing", async () => {
  const before = (await events(12)).length
  await using _visitor = await browse(`${hub.url}/f/contact?email=ada@example.com&utm_source=mail`)
  const seen = (await events(before + 1)).slice(before)
  expect(types(seen)).toEqual(['form_view'])
  expect(seen[0]?.data).toMatchObject({ consent: 'minimal', form_id: 'contact', campaign: { source: 'mail' } })
  expect(JSON.stringify(seen)).not.toContain('ada@')
  const pageOf = async (id: string) => (await hub.api('GET', `/f/${id}`, undefined, { key: null })).text
  const loads = await Promise.all(
    ['contact', 'unasked', 'staff'].map(async (id) => (await pageOf(id)).includes('m.js')),
  )
  expect(loads).toEqual([true, false, false])
})
