/** The dashboard without a browser: who gets in, what a page shows and does, and what it refuses. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { visitorOf } from '../support/visitor.ts'
import { until } from '../support/wait.ts'

/** What a stranger may write anywhere. */
const EVIL = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
let receiver: Receiver
let hub: Hub
let isDown = true

beforeAll(async () => {
  receiver = await startReceiver(() => (isDown ? { status: 404, body: EVIL } : { status: 200, body: 'thanks' }))
  hub = await startHub({
    config: {
      forms: { contact: { name: 'Contact', fields: [{ key: 'email', type: 'email' }, { key: 'note' }] } },
      network: { allow: ['127.0.0.1/32'] },
      installations: [
        { id: 'crm', use: 'webhooks', with: { url: `${receiver.url}/crm` }, retry: { schedule: [] } },
        { id: 'hooks', use: 'zapier' },
      ],
    },
  })
  for (const note of [EVIL, 'two', 'three'])
    await hub.api('POST', '/api/v2/forms/contact/responses', { data: { email: 'ada@example.com', note } })
  await until('three dead letters', () => dead(), { accept: (count) => count === 3 })
})
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
})

async function dead(): Promise<number> {
  const { body } = await hub.api<{ items: unknown[] }>('GET', '/api/v2/dead-letters')
  return body.items.length
}

const { ask, signIn } = visitorOf(() => hub)

const makeKey = async (...scopes: readonly string[]): Promise<{ id: string; key: string }> =>
  (await hub.api<{ id: string; key: string }>('POST', '/api/v2/keys', { name: EVIL, scopes })).body

test('nobody sees anything without a session, and goes on where they wanted to once they have one', async () => {
  const { status, location } = await ask('/deliveries?state=dead')
  expect([status, location]).toEqual([303, '/sign-in?next=%2Fdeliveries%3Fstate%3Ddead'])
  const wrong = await ask('/sign-in', { form: { key: 'mfk_wrong' } })
  expect([wrong.status, wrong.cookies]).toEqual([401, []])
  expect(wrong.text).toContain('not valid here')
  const right = await ask(String(location), { form: { key: hub.adminKey } })
  expect([right.status, right.location]).toEqual([303, '/deliveries?state=dead'])
  expect(right.cookies).toEqual([
    expect.stringMatching(/^manifold_session=mfs_\w+; Path=\/; Expires=.+; HttpOnly; SameSite=Lax$/),
  ])
  for (const next of ['//evil.example/', '/.//evil.example/', '/a/..//evil.example/']) {
    const elsewhere = await ask(`/sign-in?next=${next}`, { form: { key: hub.adminKey } })
    expect([next, elsewhere.location]).toEqual([next, '/'])
  }
})

test('a link opens a session once; looking at it does not use it up', async () => {
  const { body } = await hub.api<{ token: string }>('POST', '/api/v2/sessions/links')
  const path = `/sign-in/${body.token}`
  expect((await ask(path)).status).toBe(200)
  const followed = await ask(path, { form: {} })
  expect([followed.status, followed.location]).toEqual([303, '/'])
  expect((await ask('/', { cookie: String(followed.cookies[0]) })).status).toBe(200)
  const again = await ask(path, { form: {} })
  expect([again.status, again.cookies]).toEqual([401, []])
  // It opens a session, and nothing else.
  expect((await hub.api('GET', '/api/v2/me', undefined, { key: body.token })).status).toBe(401)
})

test('a session ends when somebody signs out, and with its key', async () => {
  const cookie = await signIn(hub.adminKey)
  expect((await ask('/', { cookie })).status).toBe(200)
  expect((await ask('/sign-out', { cookie, form: {} })).location).toBe('/sign-in')
  expect((await ask('/', { cookie })).location).toBe('/sign-in')
  const { id, key } = await makeKey('deliveries:write')
  const other = await signIn(key)
  expect((await ask('/deliveries', { cookie: other })).status).toBe(200)
  await hub.api('DELETE', `/api/v2/keys/${id}`)
  expect((await ask('/deliveries', { cookie: other })).location).toMatch(/^\/sign-in/)
})

test('a page shows what the key of the session may see', async () => {
  const { key } = await makeKey('forms:read')
  const cookie = await signIn(key)
  const first = await ask('/', { cookie })
  expect([first.status, first.text.includes('/dead-letters')]).toEqual([200, false])
  const refused = await ask('/deliveries', { cookie })
  expect([refused.status, refused.text.includes('deliveries:write')]).toEqual([403, true])
  const unmade = await ask('/forms/new', { cookie })
  expect([unmade.status, unmade.text.includes('<textarea')]).toEqual([403, false])
})

test('the first page counts what came and went of its own workspace, and says where nothing did', async () => {
  interface Sums {
    readonly responses: number
    readonly delivered: number
    readonly failed: number
    readonly success_share: number | null
    readonly delivered_within_ms: { readonly p50: number; readonly p95: number } | null
  }
  interface Traffic {
    readonly last_hour: Sums
    readonly last_day: Sums
    readonly minutes: readonly Sums[]
    readonly hours: readonly Sums[]
  }
  const traffic = (key: string) => hub.api<Traffic>('GET', '/api/v2/traffic', undefined, { key })
  const mine = await until('three attempts to be counted', () => traffic(hub.adminKey), {
    accept: ({ body }) => body.last_hour.failed === 3,
  })
  expect(mine.body.last_hour).toEqual({
    responses: 3,
    delivered: 0,
    failed: 3,
    success_share: 0,
    delivered_within_ms: null,
  })
  expect([mine.body.minutes.length, mine.body.hours.length]).toEqual([60, 24])
  const added = (points: readonly Sums[]): number => points.reduce((sum, { failed }) => sum + failed, 0)
  expect([added(mine.body.minutes), added(mine.body.hours)]).toEqual([3, 3])
  const shown = async () => (await ask('/', { cookie: await signIn(hub.adminKey) })).text
  const text = await until('the page', shown, { accept: (page) => page.includes('3 attempts did not.') })
  expect(text).toMatch(/Success<\/span><span class="value bad">0 %<\/span><span class="note">3 attempts failed/)
  expect(text).toContain('nothing was delivered in the last hour')
  expect(text).toContain('3 responses came; 0 deliveries went well, 3 attempts did not.')
  expect((await traffic((await makeKey('forms:read')).key)).status).toBe(403)
})

test('what a page of another site sends is not done, whatever cookies come with it', async () => {
  const cookie = await signIn(hub.adminKey)
  const { body } = await hub.api<{ items: { id: string }[] }>('GET', '/api/v2/dead-letters')
  const path = `/deliveries/${body.items[0]?.id}/replay`
  const foreign: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: hub.url.replace(/\d+$/, '1') },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
    { origin: '' },
  ]
  for (const headers of foreign) {
    const { status } = await ask(path, { cookie, form: {}, headers })
    expect([status, headers]).toEqual([403, headers])
  }
  expect(await dead()).toBe(3)
  expect(
    (await ask('/sign-in', { form: { key: hub.adminKey }, headers: { origin: 'https://evil.example' } })).cookies,
  ).toEqual([])
  const theme = await ask('/theme', { form: { theme: 'dark' }, headers: { origin: 'https://evil.example' } })
  expect(theme.cookies).toEqual([])
})

test('a failed delivery is found, read, replayed, and seen to arrive', async () => {
  const cookie = await signIn(hub.adminKey)
  const groups = await ask('/dead-letters', { cookie })
  expect(groups.text).toMatch(/>The receiver answered \d{3}\.</)
  const list = String(/href="(\/deliveries\?state=dead&amp;cause=[^"]+)"/.exec(groups.text)?.[1]).replaceAll(
    '&amp;',
    '&',
  )
  const [, detail = ''] = /href="(\/deliveries\/dlv_[^"]+)"/.exec((await ask(list, { cookie })).text) ?? []
  const page = await ask(detail, { cookie })
  expect(page.text).toContain('The receiver refused it for good.')
  expect(page.text).toContain(`curl -i --globoff -X POST --url ${receiver.url}/crm`)
  isDown = false
  const replayed = await ask(`${detail}/replay`, { cookie, form: {} })
  expect([replayed.status, replayed.location]).toEqual([303, detail])
  const after = await until('the delivery', () => ask(detail, { cookie }), {
    accept: ({ text }) => text.includes('Send again'),
  })
  expect(after.text).toContain('thanks')
})

test('many are replayed after their count was seen', async () => {
  const cookie = await signIn(hub.adminKey)
  const asked = await ask('/dead-letters/replay?installation=crm', { cookie })
  expect(asked.text).toContain('<strong>2 deliveries</strong>')
  const fields = Object.fromEntries(
    [...asked.text.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  )
  const { location, cookies } = await ask('/dead-letters/replay', { cookie, form: fields })
  expect(location).toBe('/dead-letters')
  const shown = await ask('/dead-letters', { cookie: `${cookie}; ${String(cookies[0])}` })
  expect(shown.text).toContain('2 deliveries due now.')
  await until('no dead letter', dead, { accept: (count) => count === 0 })
  expect((await ask('/dead-letters/replay', { cookie })).location).toBe('/dead-letters')
})

test('what strangers wrote is text on every page', async () => {
  const { key } = await makeKey('admin')
  const cookie = await signIn(key)
  const deliveries = await ask(`/deliveries?text=${encodeURIComponent(EVIL)}`, { cookie })
  const detail = /href="(\/deliveries\/dlv_[^"]+)"/.exec(deliveries.text)?.[1] ?? ''
  const pages = [deliveries, await ask(detail, { cookie }), await ask('/', { cookie })]
  pages.push(await ask(`/sign-in/${encodeURIComponent(EVIL)}`), await ask('/deliveries/%22%3E%3Cscript%3E', { cookie }))
  for (const { text, headers } of pages) {
    expect(text).not.toMatch(/<script>|<img src=x/)
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'nonce-[\w-]+'; script-src 'nonce-/,
    )
    expect(text).not.toMatch(/(?:src|href)="(?:https?:)?\/\/| style="| on\w+="/)
  }
  expect(pages[0]?.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  // Nor where what was searched for is set off in it.
  const { text } = await ask(`/responses?text=${encodeURIComponent('SCRIPT (1) >')}`, { cookie })
  expect(text).toContain('&lt;<mark>script</mark><mark>&gt;</mark>alert<mark>(1)</mark>&lt;/')
  expect(text).not.toMatch(/<script>|<img src=x/)
})

test('every list is a file, too, with nothing in it that a spreadsheet would run', async () => {
  const cookie = await signIn(hub.adminKey)
  const { headers, text } = await ask('/deliveries?state=delivered&format=csv', { cookie })
  expect(headers.get('content-type')).toBe('text/csv; charset=utf-8')
  const lines = text.trimEnd().split('\r\n')
  expect(lines[0]).toContain('"id","installation","plugin"')
  expect(lines).toHaveLength(4)
  expect(lines[1]).toMatch(/^"dlv_[\w-]+","crm","webhooks"/)
  // What is refused is a page that says so, no file that breaks off.
  const refused = await ask('/deliveries?since=nonsense&format=csv', { cookie })
  expect([refused.status, refused.headers.get('content-disposition')]).toEqual([422, null])
  const named = await ask(`/responses?form=${encodeURIComponent('a"; x="\u0100')}&format=csv`, { cookie })
  expect(named.headers.get('content-disposition') ?? 'none').toMatch(/^(none|attachment; filename="[\w.-]+")$/)
})

test('a response is found, read with all that came of it, noted, and deleted', async () => {
  const cookie = await signIn(hub.adminKey)
  const chosen = await ask('/responses?form=contact&column=note', { cookie })
  expect(chosen.text).toContain('<th scope="col">note</th>')
  expect(chosen.text).not.toContain('<th scope="col">email</th>')
  const path = /href="(\/responses\/rsp_[^"]+)"/.exec(chosen.text)?.[1] ?? ''
  await ask(`${path}/notes`, { cookie, form: { text: EVIL } })
  const { text } = await ask(path, { cookie })
  expect(text).toMatch(/Received and stored[\s\S]*<strong>crm<\/strong> send[\s\S]*noted: /)
  const file = await ask('/responses?form=contact&format=csv', { cookie })
  expect(file.text.split('\r\n')[0]).toBe('"Received","Status","id","email","note","Other answers"')
  expect((await ask(`${path}/delete`, { cookie })).text).toContain('<strong>1 response</strong>')
  expect((await ask(`${path}/delete`, { cookie, form: {} })).location).toBe('/responses')
  expect((await ask(path, { cookie })).status).toBe(404)
})

test('an installation is paused, resumed and tested; a key is made, shown once, and revoked', async () => {
  const cookie = await signIn(hub.adminKey)
  await ask('/installations/crm/pause', { cookie, form: {} })
  expect((await ask('/installations/crm', { cookie })).text).toContain('paused by operator')
  await ask('/installations/crm/resume', { cookie, form: {} })
  const asked = await ask('/installations/crm/test', { cookie })
  const event = /name="event" value="(evt_[^"]+)"/.exec(asked.text)?.[1] ?? ''
  expect((await ask('/installations/crm/test', { cookie, form: { event } })).location).toMatch(/^\/deliveries\/dlv_/)
  const made = await ask('/keys/new', { cookie, form: { name: 'Site', scope: 'responses:write', days: '30' } })
  const key = /mfk_\w+/.exec(made.text)?.[0] ?? ''
  const { body } = await hub.api<{ key: { id: string; scopes: string[] } }>('GET', '/api/v2/me', undefined, { key })
  expect(body.key.scopes).toEqual(['responses:write'])
  expect((await ask('/keys', { cookie })).text).not.toContain(key)
  await ask(`/keys/${body.key.id}/revoke`, { cookie, form: {} })
  expect((await hub.api('GET', '/api/v2/me', undefined, { key })).status).toBe(401)
})

test('a hook that stopped is told of wherever one looks whether all is well, until it is asked for again', async () => {
  const cookie = await signIn(hub.adminKey)
  const look = async (path: string): Promise<string> => (await ask(path, { cookie })).text
  const before = await Promise.all(['/', '/system', '/hooks'].map(look))
  expect(before.filter((text) => text.includes('Nothing is sent to'))).toEqual([])
  const wish = { target_url: `${receiver.url}/hook`, event: 'form.created', source: 'make' }
  const key = await makeKey('hooks:write', 'forms:read')
  await hub.api('POST', '/api/v2/hooks', wish, { key: key.key })
  await hub.api('DELETE', `/api/v2/keys/${key.id}?force=true`)
  for (const path of ['/', '/system', '/hooks', '/hooks?state=stopped']) {
    const text = await look(path)
    expect([path, text.includes('Nothing is sent to 1 hook any more')]).toEqual([path, !path.includes('?')])
    expect([path, text]).toEqual([path, expect.stringMatching(/its key \(&quot;&gt;&lt;script.*was revoked at 2/)])
  }
  const { body } = await hub.api('POST', '/api/v2/hooks', wish)
  expect(await look('/system')).not.toContain('Nothing is sent to')
  await hub.api('DELETE', `/api/v2/hooks/${String(body['id'])}`)
})

test('what happens comes live to whoever may see it', async () => {
  const cookie = await signIn(hub.adminKey)
  const abort = new AbortController()
  const { body, headers } = await fetch(`${hub.url}/events/live?type=response.submitted`, {
    headers: { cookie },
    signal: abort.signal,
  })
  expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
  let heard = (await reader?.read())?.value ?? ''
  await hub.api('POST', '/api/v2/forms/contact/responses', { data: { note: 'live' } })
  while (!heard.includes('"note":"live"')) heard += (await reader?.read())?.value ?? ''
  expect(heard).toMatch(/event: told\ndata: .*"type":"response.submitted".*"brief":"\{.*live/)
  abort.abort()
  const newest = await ask('/events', { cookie })
  expect(newest.text).toMatch(
    /data-live="\/events\/live\?after=\d+&amp;_whose=[\w%.]+"[\s\S]*?<tbody data-tail><tr>[\s\S]*?live/,
  )
})

test('every page of the navigation is there', async () => {
  const cookie = await signIn(hub.adminKey)
  const { text } = await ask('/', { cookie })
  const paths = [...new Set([...text.matchAll(/<li><a href="(\/[^"]*)"/g)].map(([, path = '']) => path))]
  expect(paths.length).toBeGreaterThan(10)
  for (const path of paths) {
    const page = await ask(path, { cookie })
    expect([path, page.status]).toEqual([path, 200])
    expect(page.text).toContain('aria-current="page"')
  }
})

test('System names the processes plugins run in, and what waits', async () => {
  interface Told {
    readonly sandboxes: readonly { readonly children: readonly { readonly pid: number }[] }[]
  }
  const { body } = await hub.api<Told>('GET', '/api/v2/system')
  const pids = body.sandboxes.flatMap(({ children }) => children.map(({ pid }) => pid))
  expect(pids.map((pid) => process.kill(pid, 0))).toContain(true)
  const { text } = await ask('/system', { cookie: await signIn(hub.adminKey) })
  for (const said of ['read the log for plugins', ...pids.map((pid) => `<code>${pid}</code>`)])
    expect(text).toContain(said)
  expect(text).not.toMatch(/Lanes|Isolates|Kernel|not hardened|0\.0 MB/)
})

test('responses are found by an answer', async () => {
  const cookie = await signIn(hub.adminKey)
  const { text } = await ask('/responses?form=contact&field=note&value=two', { cookie })
  expect([...text.matchAll(/href="\/responses\/rsp_/g)]).toHaveLength(1)
  expect((await ask('/responses?form=contact&field=note&value=nobody', { cookie })).text).toContain(
    'No response is like that',
  )
})

test('a search is a link: it is found by words, paged there and back, and the same as a file', async () => {
  const cookie = await signIn(hub.adminKey)
  const count = 104
  const rows = Array.from({ length: count }, (_, n) => ({
    data: { note: n === 0 ? '=1+1 Zürich first' : `zürich ${n}` },
  }))
  await hub.api('POST', '/api/v2/forms/contact/responses/batch', rows)
  const seen = async (path: string) => {
    const { status, text } = await ask(path, { cookie })
    expect([path, status]).toEqual([path, 200])
    const link = (rel: string): string =>
      (new RegExp(`href="([^"]+)" rel="${rel}"`).exec(text)?.[1] ?? '').replaceAll('&amp;', '&')
    return {
      ids: [...text.matchAll(/href="\/responses\/(rsp_[\w-]+)"/g)].map(([, id]) => id),
      next: link('next'),
      before: link('prev'),
      csv: (/href="([^"]+)" download/.exec(text)?.[1] ?? '').replaceAll('&amp;', '&'),
      text,
    }
  }
  for (const path of [
    '/responses?text=Z%C3%9CRICH',
    '/responses?form=contact&text=z%C3%BCrich&order=oldest&column=note',
  ]) {
    const first = await seen(path)
    const second = await seen(first.next)
    const third = await seen(second.next)
    expect([first.ids.length, second.ids.length, third.ids.length, third.next]).toEqual([50, 50, count - 100, ''])
    expect(new Set([...first.ids, ...second.ids, ...third.ids]).size).toBe(count)
    const back = await seen(third.before)
    const home = await seen(back.before)
    expect([back.ids, home.ids, first.before, home.before]).toEqual([second.ids, first.ids, '', ''])
    expect(new URL(third.before, hub.url).searchParams.get('text')).toMatch(/z\u00FCrich/i)
    const file = (await ask(second.csv, { cookie })).text.trimEnd().split('\r\n')
    expect(file).toHaveLength(count + 1)
    expect(file.some((line) => line.includes("'=1+1"))).toBe(path.includes('column'))
  }
  expect((await seen('/responses?text=nobody')).text).toContain('No response is like that')
})

test('no list grows by what is behind it: a page is so many rows, a trail so many cursors', async () => {
  const cookie = await signIn(hub.adminKey)
  const rows = Array.from({ length: 500 }, (_, n) => ({ data: { note: `many ${n}` } }))
  for (let n = 0; n < 2; n += 1) await hub.api('POST', '/api/v2/forms/contact/responses/batch', rows)
  let path = '/responses?text=many'
  let pages = 0
  for (; path !== ''; pages += 1) {
    const { text } = await ask(path, { cookie })
    expect([...text.matchAll(/<tr>/g)].length).toBeLessThanOrEqual(51)
    const trail = new URL(path, hub.url).searchParams.get('back')
    expect(trail?.split('.').length ?? 0).toBe(Math.min(pages, 10))
    path = (/href="([^"]+)" rel="next"/.exec(text)?.[1] ?? '').replaceAll('&amp;', '&')
  }
  expect(pages).toBe(20)
})
