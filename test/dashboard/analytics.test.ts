/** The dashboard's pages about numbers: they say what the API says, and what strangers wrote is text in them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { incomplete } from '../../core/dashboard/screens/analytics/asking.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { caughtUp, submitAll } from '../support/surveys.ts'

/** What a stranger may write anywhere. */
const EVIL = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{b}`
const started_at = new Date(Date.now() - 60_000).toISOString()
let hub: Hub
let cookie = ''

beforeAll(async () => {
  hub = await startHub({
    config: {
      forms: {
        contact: {
          name: `Contact ${EVIL}`,
          fields: [
            { key: 'topic', label: EVIL, type: 'select', options: [EVIL, 'Sales', 'Support'] },
            { key: 'stars', label: 'Stars', type: 'rating' },
            { key: 'again', label: 'Again?', type: 'boolean' },
            { key: 'age', label: 'Age', type: 'number' },
            { key: 'note', label: 'Note' },
          ],
        },
        silent: { name: 'Silent', fields: [{ key: 'a' }] },
      },
      installations: [{ id: 'analytics', use: 'analytics' }],
    },
  })
  await submitAll(hub, 'contact', responses())
  await submitAll(hub, 'contact', [
    { data: { topic: 'Sales' }, status: 'partial', started_at },
    { data: { topic: 'Sales', stars: 2 }, status: 'partial', started_at },
  ])
  await caughtUp(hub)
  cookie = await signIn(hub.adminKey)
})
afterAll(() => hub?.[Symbol.asyncDispose]())

/** Ten: five about what is evil, three about sales, two about support. */
const responses = (): readonly object[] =>
  Array.from({ length: 10 }, (_, n) => ({
    data: {
      topic: n < 5 ? EVIL : n < 8 ? 'Sales' : 'Support',
      stars: (n % 5) + 1,
      again: n < 4,
      age: 20 + n,
      note: EVIL,
    },
    started_at,
  }))

async function signIn(key: string): Promise<string> {
  const body = new URLSearchParams({ key })
  const answer = await fetch(`${hub.url}/sign-in`, {
    method: 'POST',
    body,
    redirect: 'manual',
    headers: { origin: hub.url },
  })
  return String(answer.headers.getSetCookie()[0]).split(';')[0] as string
}

const HTML = { headers: { accept: 'text/html' } }
const LONG = { note: 'n'.repeat(1_001) }
interface Shown {
  readonly status: number
  readonly html: string
  /** Without tags, spaces as one. */
  readonly text: string
  readonly headers: Headers
}

async function ask(path: string, how: { form?: Record<string, string>; cookie?: string } = {}): Promise<Shown> {
  const answer = await fetch(hub.url + path, {
    method: how.form === undefined ? 'GET' : 'POST',
    headers: { cookie: how.cookie ?? cookie, ...(how.form === undefined ? {} : { origin: hub.url }) },
    ...(how.form === undefined ? {} : { body: new URLSearchParams(how.form) }),
  })
  const html = await answer.text()
  const text = html.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
  return { status: answer.status, html, text, headers: answer.headers }
}

/** Nothing that anybody wrote is anything but text, and nothing is there that the page's policy keeps from working. */
function expectHarmless({ html, headers }: Pick<Shown, 'html' | 'headers'>): void {
  expect(html).not.toMatch(/<script>|<script (?!src="\/assets\/(?:live|move)\.)|<img src=x|<style| style="| on\w+="/)
  expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'nonce-[\w-]+';/)
}

test('an answer that is not of all time says from when on it is', () => {
  expect(incomplete(null)).toBeNull()
  expect(incomplete('2026-11-10T00:00:00.000Z')?.text).toMatch(
    /Single events are kept from .*10.* UTC on: what visitors did/,
  )
})

test('all forms at a glance: those with answers, and those without', async () => {
  const page = await ask('/analytics')
  expectHarmless(page)
  expect(page.text).toMatch(/10 10 83\.3 %/)
  expect(page.text).toContain('Silent 0 0 – – 0')
})

test("a form's page has the API's numbers, each chart as a drawing, a sentence and a table", async () => {
  const page = await ask('/analytics/forms/contact')
  expectHarmless(page)
  expect(page.status).toBe(200)
  expect(page.text).toContain('Completed 10 nothing in the period before')
  expect(page.text).toContain('Completion rate 83.3 % of 12 begun')
  expect(page.text).toContain('Median time 1 min')
  expect(page.text).toContain('10 responses completed')
  expect(page.text).toContain('10 answers; most often “&quot;&gt;&lt;script&gt;alert(1)')
  expect(page.text).toContain('by 50 %.')
  expect(page.text).toContain('No false 6 60 %')
  expect(page.text).toContain('Age 10 24.5 24.5 20 29 245')
  expect(page.text).toContain('Of 12 responses most were left at')
  // The series, for wide screens and for narrow ones; three fields of 3, 5 and 2 choices, and the drop-off of five fields.
  expect(page.html.match(/<div class="drawn[^"]*"><svg [^>]*aria-hidden="true"/g)).toHaveLength(2)
  expect(page.html.match(/<svg class="bar"/g)).toHaveLength(15)
  expect(page.html).toMatch(/<span class="of">&quot;&gt;&lt;script&gt;.*?<rect width="50" /s)
})

test('a chart is a file, too, with nothing in it that a spreadsheet would run', async () => {
  const { headers, html } = await ask('/analytics/forms/contact?csv=field-topic')
  expect(headers.get('content-type')).toBe('text/csv; charset=utf-8')
  expect(html.split('\r\n').slice(0, 1)).toEqual(['"choice","value","count","share"'])
  expect(html).toContain('"Sales","Sales",3,0.3\r\n"Support","Support",2,0.2\r\n')
})

test('a period and a bucket are part of the address; a series that is too long is refused beside the form', async () => {
  const before = await ask('/analytics/forms/contact?from=2020-01-01&to=2020-02-01&bucket=week')
  expect(before.text).toContain('Completed 0 nothing in the period before')
  expect(before.text).toContain('Nothing was completed in this period.')
  expect(before.text).toContain('Nobody has answered this.')
  expect(before.html).toContain('<option value="week" selected>')
  const tooLong = await ask('/analytics/forms/contact?period=90d&bucket=minute')
  expect(tooLong.text).toContain('a series has 5000 points at most')
  expect(tooLong.html).toContain('<option value="minute" selected>')
})

test('words on the time line are written, drawn and removed', async () => {
  const at = new Date().toISOString().slice(0, 10)
  const added = await ask('/analytics/forms/contact/annotations', { form: { at, text: EVIL, of: 'form' } })
  expectHarmless(added)
  expect(added.html).toMatch(
    /<text [^>]*>1<\/text>.*<ol class="marks"><li><span[^>]*>[^<]*<\/span> &quot;&gt;&lt;script/s,
  )
  const { body } = await hub.api<{ items: { id: string; text: string; form_id: string }[] }>(
    'GET',
    '/api/v2/analytics/annotations?form=contact',
  )
  expect(body.items).toMatchObject([{ text: EVIL, form_id: 'contact' }])
  const removed = await ask('/analytics/forms/contact/annotations/delete', {
    form: { note: String(body.items[0]?.id) },
  })
  expect(removed.text).toContain('Nothing yet: a campaign')
})

test('a link for others is made, listed, opened without a key, and ended', async () => {
  const made = await ask('/analytics/forms/contact/shares', { form: { expires: '7d' } })
  const path = /href="(\/share\/[^"]+)"/.exec(made.html)?.[1] ?? ''
  const seen = await fetch(hub.url + path)
  expect([seen.status, ((await seen.json()) as { form_id: string }).form_id]).toEqual([200, 'contact'])
  const browser = { headers: { accept: 'text/html,application/xhtml+xml' } }
  const shown = await fetch(hub.url + path, browser)
  const html = await shown.text()
  expectHarmless({ html, headers: shown.headers })
  expect([shown.status, shown.headers.get('x-robots-tag')]).toEqual([200, 'noindex, nofollow'])
  expect(html).toContain('10 responses completed')
  expect(html.match(/<svg class="bar"/g)).toHaveLength(15)
  expect(html).not.toContain('/sign-out')
  const file = await fetch(`${hub.url}${path}?csv=field-topic`, browser)
  expect([file.headers.get('content-type'), (await file.text()).includes('"Sales","Sales",3,0.3')]).toEqual([
    'text/csv; charset=utf-8',
    true,
  ])
  const page = await ask('/analytics/forms/contact')
  const share = /name="share" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  expect((await ask('/analytics/forms/contact/shares/end', { form: { share } })).html).not.toContain(share)
  expect((await fetch(hub.url + path)).status).toBe(404)
  const ended = await fetch(hub.url + path, browser)
  expect([ended.status, (await ended.text()).includes('This link shows nothing')]).toEqual([404, true])
})

test('a key for numbers alone sees the numbers, and nothing to write with', async () => {
  const { body } = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'n', scopes: ['analytics:read'] })
  const own = await signIn(body.key)
  const page = await ask('/analytics/forms/contact', { cookie: own })
  expect([page.status, page.text.includes('Completed 10')]).toEqual([200, true])
  expect(page.html).not.toMatch(/Make a link|name="text"/)
  expect((await ask('/analytics', { cookie: own })).text).toContain('Silent 0 0 – – 0')
})

/** Six visitors: three come as far as signing up, one of them the day after; two see prices only. */
const DAY_MS = 86_400_000
const monday = Date.UTC(2026, 4, 18, 9)
const STEPS: readonly (readonly [visitor: string, path: string, afterMs: number])[] = [
  ...['ada', 'bob', 'cy', 'dan', 'eve'].map((visitor) => [visitor, '/', 0] as const),
  ...['ada', 'bob', 'cy', 'dan'].map((visitor) => [visitor, `/pricing/${EVIL}`, 60_000] as const),
  ['ada', '/signup', 120_000],
  ['bob', '/signup', 120_000],
  ['cy', '/signup', DAY_MS],
]

describe('visitors', () => {
  beforeAll(async () => {
    const events = STEPS.map(([visitor, path, afterMs]) => ({
      anonymous_id: visitor,
      occurred_at: new Date(monday + afterMs).toISOString(),
      page: { path },
    }))
    const { body } = await hub.api<{ items: { status: number }[] }>('POST', '/api/v2/events/page', events)
    expect(body.items.map(({ status }) => status)).toEqual(STEPS.map(() => 201))
  })

  test('a funnel is an address; its page has the figures of the API and names what strangers wrote', async () => {
    const pricing = encodeURIComponent(`/pricing/${EVIL}`)
    const path = `/analytics/funnel?step1=/&step2=${pricing}&step3=/signup&window=24h&breakdown=device`
    const page = await ask(path)
    expectHarmless(page)
    const steps = ['/', `/pricing/${EVIL}`, '/signup']
    const { body } = await hub.api('POST', '/api/v2/analytics/funnels', { steps, window: '24h' })
    expect(body).toMatchObject({ entered: 5, converted: 3, rate: 0.6 })
    expect(page.text).toContain('Entered 5 Came through 3 Rate 60 % Median time 2 min')
    expect(page.text).toMatch(/4 · 80 %.*3 · 75 %/)
    expect(page.text).toContain('/api/v2/analytics/funnels')
    const { html } = await ask(`${path}&csv=steps`)
    expect(html).toContain('"/signup",3,1,0.75,0.6,60\r\n')
  })

  test('a funnel is saved, opened by its address, annotated, shown to others without a key, and deleted with its links', async () => {
    const question = { steps: ['/', '/signup'] }
    const view = JSON.stringify({ step1: '/', step2: '/signup', breakdown: 'device' })
    const saving = { name: EVIL, kind: 'funnels', question: JSON.stringify({ ...question, breakdown: 'device' }), view }
    expect((await ask('/analytics/funnel?step1=/&step2=/signup')).html).toContain('id="save-name"')
    const opened = await ask('/analytics/saved', { form: saving })
    expectHarmless(opened)
    expect(opened.text).toMatch(/&gt;.* Name, note and links .*Entered 5 Came through 3/)
    const { body } = await hub.api<{ items: { id: string; kind: string }[] }>('GET', '/api/v2/analytics/saved')
    const [{ id, kind } = { id: '', kind: '' }] = body.items
    expect([kind, opened.html.includes(`name="saved" value="${id}"`)]).toEqual(['funnels', true])
    const path = `/analytics/saved/${id}`
    await ask(`${path}/edit`, { form: { name: 'To signing up', note: `Since May ${EVIL}` } })
    const listed = await ask('/analytics/saved')
    expect(listed.html).toContain(`<a href="${path}"><strong>To signing up</strong></a>`)
    const link = /\/share\/[\w.-]+/.exec((await ask(`${path}/shares`, { form: { expires: '7d' } })).html)?.[0] ?? ''
    const shown = await fetch(hub.url + link, HTML)
    const page = { html: await shown.text(), headers: shown.headers }
    expect(shown.status).toBe(200)
    expectHarmless(page)
    for (const words of ['To signing up', 'Since May', 'Visitors by step', 'Rate by device', 'csv=steps'])
      expect(page.html).toContain(words)
    expect(await (await fetch(`${hub.url}${link}?csv=steps`, HTML)).text()).toContain('"/signup",3,')
    const told = await hub.api<Record<string, unknown>>('GET', link, undefined, { key: null })
    expect(Object.keys(told.body)).toEqual([
      'name',
      'kind',
      'view',
      'note',
      'expires_at',
      'answer',
      'next_offset',
      'complete_from',
    ])
    expect(told.text).not.toMatch(/"meta"|SELECT/)
    await ask(`${path}/delete`, { form: {} })
    expect((await fetch(hub.url + link, HTML)).status).toBe(404)
    expect((await ask('/analytics/saved')).text).toContain('Nothing is saved yet.')
  })

  test('what is saved is a question, has a limit, and is shown to others only where it tells of nobody', async () => {
    const save = (kind: string, question: object, how: object = {}) =>
      hub.api<{ id: string }>('POST', '/api/v2/analytics/saved', { name: 'x', kind, question, ...how })
    expect((await save('funnels', { steps: ['/'] })).text).toContain('"/question/steps"')
    const question = { form_id: 'contact', aggregate: 'count' }
    const wrong = [save('query', { ...question, limit: 'many' }), save('sql', {}), save('query', question, LONG)]
    expect((await Promise.all(wrong)).map(({ status }) => status)).toEqual([422, 422, 422])
    const byNote = await save('query', { form_id: 'contact', aggregate: { fn: 'count' }, group_by: ['data.note'] })
    const share = (saved_id: string) => hub.api('POST', '/api/v2/analytics/shares', { saved_id, expires: '7d' })
    expect((await share(byNote.body.id)).status).toBe(403)
    expect((await share('sav_nobody')).status).toBe(404)
    const { body } = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'r', scopes: ['analytics:read'] })
    const worth = await save('cohorts', { period: 'day', from: '2026-05-18T00:00:00Z', to: '2026-05-21T00:00:00Z' })
    const byTopic = await save('query', { ...question, group_by: 'topic' })
    for (const [id, all] of [
      [worth.body.id, [/Cohorts by day/, /<td class="h2">20 %<\/td>/, /Worth per visitor/, /No value is known/]],
      [byTopic.body.id, [/<td[^>]*>Sales<\/td><td[^>]*>3<\/td>/]],
    ] as const) {
      const told = await (await fetch(hub.url + String((await share(id)).body['path']), HTML)).text()
      for (const page of [told, (await ask(`/analytics/saved/${id}`)).html])
        for (const words of all) expect(page).toMatch(words)
    }
    const path = `/api/v2/analytics/saved/${byNote.body.id}`
    expect((await hub.api('DELETE', path, undefined, { key: body.key })).status).toBe(403)
    for (let n = 3; n < 200; n += 1) expect((await save('query', question)).status).toBe(201)
    const over = await save('query', question)
    expect([over.status, over.text.includes('which is the limit')]).toEqual([409, true])
  })

  test('a funnel of one step is refused beside its form', async () => {
    const page = await ask('/analytics/funnel?step1=/pricing')
    expect([page.status, page.html.includes('value="/pricing"')]).toEqual([200, true])
    expect(page.text).toContain('/steps Too small')
  })

  test('cohorts are shaded by who came back', async () => {
    const page = await ask('/analytics/retention?period=day&from=2026-05-18&to=2026-05-20')
    expectHarmless(page)
    expect(page.text).toContain('18 May · 5 100 % 20 %')
    expect(page.html).toContain('<td class="h9">100 %</td><td class="h2">20 %</td>')
  })

  test('journeys: the paths most taken, and as a tree', async () => {
    const page = await ask('/analytics/journeys')
    expectHarmless(page)
    expect(page.text).toContain('Of 6 journeys 2 (33.3 %) went the same way.')
    expect(page.text).toContain('/ 5 · 83.3 %')
  })

  test('a question is put together, answered, and shown as JSON and as SQL', async () => {
    const page = await ask(
      '/analytics/question?about=events&fn=count_distinct&field=visitor&by=path&where1=path&is1=$ne&value1=/',
    )
    expectHarmless(page)
    expect(page.text).toContain('How many different visitor, by path')
    expect(page.text).toContain('2 lines; the most is 4, for “/pricing/&quot;&gt;&lt;script&gt;')
    expect(page.text).toContain('&quot;data_set&quot;: &quot;events&quot;')
    expect(page.text).toMatch(
      /SELECT \* FROM \(SELECT .*count\(DISTINCT visitor\) AS &quot;value&quot;.* -- \$1 = &quot;\/&quot;/,
    )
  })

  test('over time and by a choice: days without any are there as well', async () => {
    const page = await ask('/analytics/question?about=form:contact&by=response.submitted_at&bucket=day&split=topic')
    expectHarmless(page)
    expect(page.html).toMatch(/<ul class="legend lines"><li class="c1">&quot;&gt;&lt;script&gt;/)
    const compared = await ask('/analytics/question?about=form:contact&by=topic&compare=previous&from=2026-11-01')
    expect(compared.text).toMatch(/topic how many before .* Sales 3 0/)
    const filtered = await ask(
      '/analytics/question?about=form:contact&where1=again&is1=$eq&value1=true&where2=stars&is2=$gte&value2=3',
    )
    expect(filtered.text).toContain('how many: 2.')
    const [, behind = ''] = /href="([^"]+)">The responses behind it</.exec(filtered.html) ?? []
    expect((await ask(behind.replaceAll('&amp;', '&'))).html.match(/data-label="Received"/g)).toHaveLength(2)
    const wrong = await ask('/analytics/question?about=form:contact&fn=avg&field=note')
    expect(wrong.text).toContain('is no number, so it has no avg')
  })

  test('SQL is answered as a chart and a table; what is refused says why', async () => {
    const sql = 'SELECT topic, count(*) AS n FROM contact WHERE topic IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1'
    const page = await ask(`/analytics/sql?sql=${encodeURIComponent(sql)}`)
    expectHarmless(page)
    expect(page.text).toMatch(/topic n .* 5 Sales 5 Support 2/)
    expect((await ask(`/analytics/sql?sql=${encodeURIComponent('DROP TABLE contact')}`)).text).toContain('SELECT')
  })
})

test('completion of a form that the snippet watches is of visits, where it saw most of what was sent, and says so', async () => {
  const about = { form_id: 'contact', consent: 'minimal' }
  const visit = [
    { type: 'form_view' },
    { type: 'form_start' },
    { type: 'form_abandon', properties: { field: 'stars' } },
    { type: 'form_field', properties: { field: 'stars', dwell_ms: 10 } },
  ].map((event) => ({ ...event, ...about }))
  expect((await hub.api('POST', '/api/v2/events/track', visit)).status).toBeLessThan(300)
  const completion = async () => (await hub.api('GET', '/api/v2/analytics/forms/contact/metrics')).body['completion']
  const left = { views: 1, started: 1, completed: 0, abandoned: 1, rate: 0 }
  expect(await completion()).toMatchObject({ base: 'responses', snippet: left })
  expect((await ask('/analytics/forms/contact')).text).toContain('(the snippet saw 0 of 1 visit that began)')
  const sent = [{ type: 'form_start' }, { type: 'form_submit' }].map((event) => ({ ...event, ...about }))
  expect((await hub.api('POST', '/api/v2/events/track', sent)).status).toBeLessThan(300)
  expect((await hub.api('POST', '/api/v2/forms/contact/responses', { data: { stars: 1 } })).status).toBe(201)
  expect(await completion()).toMatchObject({ base: 'snippet', views: 1, started: 2, abandoned: 1, rate: 0.5 })
  const page = await ask('/analytics/forms/contact')
  expect(page.text).toContain('50 % of 2 visits that began, as the snippet saw; the form was shown 1 time')
  expect(page.text).toContain('Of 2 visits that began most were left at “Stars”: 1, 100 % of those who were there.')
  const done = [{ type: 'form_view' }, { type: 'form_start' }].map((event, n) => ({
    ...event,
    form_id: 'silent',
    anonymous_id: 'ada',
    occurred_at: new Date(Date.now() - 60_000 + n).toISOString(),
  }))
  await hub.api('POST', '/api/v2/events/track', done)
  const steps = ['viewed', 'started', 'submitted'].map((did, n) => `step${n + 1}=form:silent:${did}`)
  const funnel = await ask(`/analytics/funnel?${steps.join('&')}`)
  expectHarmless(funnel)
  expect(funnel.text).toMatch(/Entered 1 Came through 0 .* 1\. Silent: viewed 1 2\. Silent: started 1 · 100 % 3\. /)
  expect(funnel.html).toContain('<option value="form:silent:submitted" label="Silent: submitted">')
  await hub.api('POST', '/api/v2/forms', { id: 'twin', name: 'Silent' })
  expect((await ask('/analytics')).text).toMatch(/Silent \(silent\).*Silent \(twin\)/)
})

test('a hub that has drawn charts ends when it is told to', async () => {
  expect(await hub.kill('SIGTERM')).toEqual({ code: 0, signal: null })
})
