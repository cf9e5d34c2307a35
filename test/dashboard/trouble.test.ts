/** Pages of a hub in trouble: what is wrong is said, and one answer that fails does not take the page with it. */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import pino from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDashboard } from '../../core/dashboard/open.ts'
import { MASKED } from '../../core/model.ts'

/** What the API answers, by path; all else is an empty list. */
const answers: Record<string, { readonly status: number; readonly body: unknown }> = {}
/** Paths that the API was asked for. */
const calls: string[] = []
const EMPTY = { status: 200, body: { items: [], gone: [], next_cursor: null, total: 0, whole: true } }
const UNREADY = {
  status: 503,
  body: { ready: false, checks: [{ name: 'storage', ok: false, detail: 'the disk is full' }] },
}
/** An installation in which nothing is wrong, but for this. */
const installation = (id: string, differing: object) => ({
  id,
  plugin: 'webhooks',
  version: '1.0.0',
  state: 'ready',
  reason: null,
  state_since: null,
  lag: 0,
  last_success_at: null,
  last_failure_at: null,
  last_error: null,
  last_error_code: null,
  failure_streak: 0,
  credential: { state: 'ok', since: '2026-01-01T00:00:00.000Z', message: null },
  deliveries: { pending: 0, retrying: 0, dead: 0, delivered: 0 },
  oldest_waiting_at: null,
  returns_at: null,
  unattended: false,
  breakers: [],
  config: {},
  when: { forms: null, events: null },
  check: null,
  usage: null,
  ...differing,
})
const refusal = (status: number, detail: string) => ({ status, body: { detail, code: 'unavailable' } })
const dashboard = openDashboard({ logger: pino({ level: 'silent' }), minify: async ({ href }) => href })
let server: Server

beforeAll(async () => {
  server = createServer((incoming, outgoing) => {
    const path = (incoming.url ?? '').split('?')[0] as string
    const route = dashboard.find(
      (each) => each.method === 'GET' && each.path === path.replace(/^\/(installations|deliveries)\/.+$/, '/$1/{id}'),
    )
    if (route === undefined) {
      calls.push(path)
      const { status, body } = answers[path] ?? EMPTY
      return void outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    const knock = {
      requestId: 'req_1',
      incoming,
      url: incoming.url ?? '',
      body: '',
      behalf: {},
      isTooMuch: () => false,
      param: () => path.split('/').at(-1) ?? '',
    }
    void route.answer(knock).then(async (page) => {
      outgoing.writeHead(page.status, Object.fromEntries(page.headers)).end(Buffer.from(await page.arrayBuffer()))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

async function page(
  path: string,
  differing: typeof answers,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string; packing: string | null }> {
  for (const each of Object.keys(answers)) delete answers[each]
  Object.assign(answers, {
    '/api/v2/me': {
      status: 200,
      body: { workspace: 'main', key: { id: 'k', name: 'mine', scopes: ['admin'] }, version: '1' },
    },
    '/readyz': { status: 200, body: { ready: true, checks: [] } },
    '/api/v2/config': {
      status: 200,
      body: {
        file: null,
        in_step: true,
        loaded_at: '2026-01-01T00:00:00.000Z',
        problems: [],
        needs_start: false,
        warnings: [],
        running_checksum: 'c',
      },
    },
    '/api/v2/traffic': refusal(503, 'Counts are not there yet.'),
    ...differing,
  })
  const { port } = server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    redirect: 'manual',
    headers: { cookie: 'manifold_session=mfs_x', ...headers },
  })
  return { status: answer.status, text: await answer.text(), packing: answer.headers.get('content-encoding') }
}

test('what keeps a hub from being ready stands on the first page and under System', async () => {
  for (const path of ['/', '/system']) {
    const { text } = await page(path, { '/readyz': UNREADY })
    expect([path, text.includes('The hub is not ready.')]).toEqual([path, true])
    expect([path, text.includes('storage: the disk is full')]).toEqual([path, true])
  }
})

test('a file that was refused is the first thing to do: where, what to do, and what runs meanwhile', async () => {
  const problem = {
    path: 'installations[0].with.url',
    file: '/etc/manifold.yaml',
    line: 7,
    column: 42,
    message: 'must be a URL',
    hint: 'such as https://example.com/path',
  }
  const status = {
    file: '/etc/manifold.yaml',
    loaded_at: '2026-01-01T00:00:00.000Z',
    warnings: [],
    running_checksum: 'c',
  }
  const config = (differing: object) => ({
    '/api/v2/config': {
      status: 200,
      body: { ...status, in_step: false, needs_start: false, problems: [], ...differing },
    },
  })
  const plugins = {
    status: 200,
    body: { items: [{ id: 'x', version: '1', needs_approval: { gone: false, running: null } }] },
  }
  // Of a plugin's own file that does not compile the configuration on disk is what runs, and yet what was saved is not.
  for (const inStep of [false, true]) {
    const { text } = await page('/', {
      ...config({ in_step: inStep, problems: [problem] }),
      '/api/v2/plugins': plugins,
    })
    expect(text).toMatch(
      /<h2>To do<\/h2><\/div><ul class="todos"><li><div><strong>Mend <code>manifold\.yaml:7:42<\/code>/,
    )
    expect(text).toContain('such as https://example.com/path')
    expect(text).toMatch(/The last good configuration, of [\s\S]*?, keeps running/)
  }
  const many = await page('/', config({ problems: Array.from({ length: 5 }, () => problem) }))
  expect(many.text).toContain('2 more places')
  const waiting = await page('/', config({ problems: [problem], needs_start: true }))
  expect(waiting.text).toContain('but for what only a start puts to work')
  expect(waiting.text).not.toContain('It was not taken over')
})

test('one answer that fails is named, and the rest is shown', async () => {
  const first = await page('/', {})
  expect(first.status).toBe(200)
  expect(first.text).toContain('Traffic: Counts are not there yet.')
  expect(first.text).toContain('Dead letters')
  expect(first.text).toContain('Let something come in.')
  const system = await page('/system', { '/api/v2/processes': refusal(503, 'Nobody knows.') })
  expect([system.status, system.text.includes('Processes: Nobody knows.')]).toEqual([200, true])
  expect(system.text).toContain('<h2>Configuration</h2>')
})

test('that nothing waits is said only where everything is known', async () => {
  const forms = { status: 200, body: { items: [{ id: 'contact' }], next_cursor: null } }
  const installations = { status: 200, body: { items: [], gone: [] } }
  const some = { '/api/v2/forms': forms, '/api/v2/installations': refusal(503, 'Not now.') }
  expect((await page('/', some)).text).not.toContain('Nothing waits for you.')
  expect((await page('/', { ...some, '/api/v2/installations': installations })).text).toContain('Let something leave.')
})

test('a session that ends meanwhile is no missing piece', async () => {
  expect((await page('/', { '/api/v2/plugins': refusal(401, 'Gone.') })).status).toBe(303)
})

test('however many look at the first page of a workspace, its numbers are made once at a time', async () => {
  const sum = { responses: 0, delivered: 0, failed: 0, success_share: null, delivered_within_ms: null }
  const body = { now: { ...sum, seconds: 60 }, last_hour: sum, last_day: sum, minutes: [], hours: [] }
  calls.length = 0
  const looks = await Promise.all(
    Array.from({ length: 4 }, () => page('/', { '/api/v2/traffic': { status: 200, body } })),
  )
  for (const { text } of looks) expect(text).toContain('Nothing came or went in the last 24 hours')
  const times = (path: string): number => calls.filter((each) => each === path).length
  expect(times('/api/v2/me')).toBe(4)
  expect(times('/api/v2/traffic')).toBeLessThan(4)
  expect(times('/api/v2/dead-letters/groups')).toBeLessThan(4)
})

test('pages and files are packed as the browser takes them; a page that another site asked for is not, so its length tells nothing', async () => {
  const taken = { 'accept-encoding': 'gzip, deflate, br;q=0.9' }
  const plain = await page('/keys/new', {}, { 'sec-fetch-site': 'same-origin', 'accept-encoding': 'identity' })
  const packing = async (headers: Readonly<Record<string, string>>): Promise<string | null> => {
    const { text, packing: used } = await page('/keys/new', {}, { ...taken, ...headers })
    // Each has a nonce of its own.
    expect(text.length).toBe(plain.text.length)
    return used
  }
  expect(plain.packing).toBe(null)
  expect(await packing({ 'sec-fetch-site': 'same-origin' })).toBe('br')
  expect(await packing({ 'sec-fetch-site': 'none' })).toBe('br')
  expect(await packing({ 'sec-fetch-site': 'none', 'accept-encoding': 'gzip, br;q=0' })).toBe('gzip')
  for (const site of ['cross-site', 'same-site'])
    expect([site, await packing({ 'sec-fetch-site': site })]).toEqual([site, null])
  expect(await packing({})).toBe(null)

  const style = /"(\/assets\/style\.[^"]+)"/.exec(plain.text)?.[1] ?? ''
  const whole = await page(style, {}, { 'accept-encoding': 'identity' })
  expect([whole.status, whole.packing]).toEqual([200, null])
  expect(await page(style, {}, taken)).toEqual({ ...whole, packing: 'br' })
  expect(await page(style, {}, { 'accept-encoding': 'gzip' })).toEqual({ ...whole, packing: 'gzip' })
})

const WRONG = [
  installation('fine', { failure_streak: 2, last_error: 'An ordinary day.' }),
  installation('left', {
    breakers: [{ host: 'crm.example', state: 'open', until: null }],
    failure_streak: 6,
    last_error: 'The receiver answered 503.',
  }),
  installation('locked', {
    credential: { state: 'refused', since: '2026-01-01T00:00:00.000Z', message: 'It said 401.' },
  }),
  installation('failing', { failure_streak: 12, last_error: 'The receiver answered 401.' }),
  installation('idle', { unattended: true }),
  installation('stopped', { state: 'disabled', reason: 'Somebody has to look.' }),
]

test('what fails though it may run is in trouble: counted, to be done, and seen in its row', async () => {
  const list = { status: 200, body: { items: WRONG, gone: [] } }
  for (const path of ['/', '/installations']) {
    const { text } = await page(path, { '/api/v2/installations': list })
    const row = (id: string) => text.split('<tr').find((each) => each.includes(`/installations/${id}"`)) ?? ''
    expect([path, row('fine').includes('chip good')]).toEqual([path, true])
    for (const [id, words] of [
      ['left', 'chip warn">left alone'],
      ['locked', 'chip bad">refused credential'],
      ['failing', 'chip warn">failing'],
      ['idle', 'chip bad">unattended'],
      ['stopped', 'chip bad">disabled'],
    ] as const)
      expect([path, id, row(id).includes(words), row(id).includes('chip good')]).toEqual([path, id, true, false])
  }
  const { text } = await page('/', { '/api/v2/installations': list })
  expect(text.replaceAll(/<[^>]*>/g, ' ')).toMatch(/In trouble\s+5\s+of 6 installations/)
  const todos = [...text.matchAll(/<li><div>(.*?)<\/li>/gs)].map(([, todo = '']) => todo.replaceAll(/<[^>]*>/g, ' '))
  for (const says of [
    /left .*crm\.example failed repeatedly .*answered 503/,
    /locked .*refuses the credential\. It said 401/,
    /failing .*12 attempts failed in a row\. The receiver answered 401/,
    /idle .*No living process/,
    /stopped .*Somebody has to look/,
  ])
    expect(todos.filter((todo) => says.test(todo))).toHaveLength(1)
  expect(todos.join(' ')).not.toContain('An ordinary day')
})

test('a resume is offered wherever a page speaks of one', async () => {
  for (const item of WRONG) {
    const { text } = await page(`/installations/${item.id}`, {
      [`/api/v2/installations/${item.id}`]: { status: 200, body: item },
      '/api/v2/config/settings': {
        status: 200,
        body: { file: null, readable: true, items: [], piece: null, yaml: null },
      },
    })
    const offers = ['resume', 'pause'].filter((verb) => text.includes(`action="/installations/${item.id}/${verb}"`))
    const awaited = { left: ['resume', 'pause'], locked: ['resume', 'pause'], stopped: ['resume'] }[item.id] ?? [
      'pause',
    ]
    expect([item.id, offers]).toEqual([item.id, awaited])
  }
})

test('a cause of death is told in the words of one that died of it, and taken away without reading its hash', async () => {
  const group = { cause: 'c0ffee', installation: 'crm', reason: 'failed', code: 'http_status', count: 3 }
  const times = { first_at: '2026-01-01T00:00:00.000Z', last_at: '2026-01-01T00:00:00.000Z' }
  const example = { id: 'dlv_1', error: 'The receiver answered 404.' }
  const groups = { items: [{ ...group, ...times, message: 'The receiver answered #.', example }], whole: true }
  const { text } = await page('/dead-letters', { '/api/v2/dead-letters/groups': { status: 200, body: groups } })
  expect(text).toContain('>The receiver answered 404.</a>')
  const found = (await page('/deliveries?state=dead&cause=c0ffee', {})).text
  expect(found).toMatch(/<input type="hidden" name="cause" value="c0ffee">/)
  expect(found).toMatch(/<a class="button quiet" href="\/deliveries\?state=dead"[^>]*>Died of the same cause /)
  expect(found).not.toContain('id="filter-cause"')
})

test('a request as curl says where a secret goes, by the sign that stands there, and only where one does', async () => {
  const exchange = {
    method: 'POST',
    url: 'https://crm.example/in',
    request_body: '{}',
    status: 200,
    response_headers: {},
    response_body: '',
    truncated: false,
    duration_ms: 5,
    error: null,
  }
  const attempt = { n: 1, at: '2026-01-01T00:00:00.000Z', duration_ms: 5, outcome: 'delivered', error: null, logs: [] }
  const shown = async (authorization: string) => {
    const exchanges = [{ ...exchange, request_headers: { authorization } }]
    const delivery = { state: 'delivered', created_at: attempt.at, input: {}, attempts: 1, due_at: null, error: null }
    const body = {
      ...delivery,
      id: 'dlv_1',
      installation: 'crm',
      name: 'send',
      attempt_log: [{ ...attempt, exchanges }],
    }
    return (await page('/deliveries/dlv_1', { '/api/v2/deliveries/dlv_1': { status: 200, body } })).text
  }
  expect(await shown(`Bearer ${MASKED}`)).toContain(`Put the secret in where it says <code>${MASKED}</code>.`)
  expect(await shown('none')).not.toContain('Put the secret in')
})

test('a delivery that waits says why, until when, and offers what helps to whoever may', async () => {
  const until = '2099-01-01T10:00:00.000Z'
  const row = {
    id: 'dlv_1',
    installation: 'crm',
    plugin: 'webhooks',
    kind: 'action',
    name: 'send',
    event_id: null,
    form_id: null,
    response_id: null,
    state: 'pending',
    attempts: 2,
    due_at: '2026-01-01T00:00:00.000Z',
    created_at: '2026-01-01T00:00:00.000Z',
    finished_at: null,
    reason: null,
    error_code: null,
    error: null,
    host: 'one.example',
    input: null,
    input_missing: null,
    attempt_log: [],
  }
  const breaker = { host: 'one.example', state: 'open', until }
  const seen = async (differing: object, me: object = {}): Promise<string> => {
    const item = installation('crm', { deliveries: { pending: 1, retrying: 0, dead: 0, delivered: 0 }, ...differing })
    const { text } = await page('/deliveries/dlv_1', {
      '/api/v2/deliveries/dlv_1': { status: 200, body: row },
      '/api/v2/installations/crm': { status: 200, body: item },
      ...me,
    })
    return text
  }
  const shut = await seen({ breakers: [breaker] })
  expect(shut).toMatch(/one\.example<\/strong> failed repeatedly and is left alone until <time[^>]*2099-01-01T10:00/)
  expect(shut).toContain('Resume and try now')
  const key = { id: 'k', name: 'mine', scopes: ['deliveries:write'] }
  const me = { '/api/v2/me': { status: 200, body: { workspace: 'main', key, version: '1' } } }
  expect(await seen({ breakers: [breaker] }, me)).not.toContain('Resume and try now')
  expect(await seen({ breakers: [{ ...breaker, host: 'other.example' }] })).toContain(
    'as soon as those before it leave room',
  )
  expect(await seen({ state: 'paused', reason: 'being moved' })).toContain('being moved')
  expect(await seen({ state: 'paused', reason: 'points', returns_at: until })).toMatch(/goes on by itself at <time/)
  expect(await seen({ unattended: true })).toContain('No living process runs')
  const waiting = installation('crm', {
    breakers: [breaker],
    deliveries: { pending: 3, retrying: 0, dead: 0, delivered: 0 },
  })
  const listed = { '/api/v2/installations': { status: 200, body: { items: [waiting], gone: [] } } }
  expect((await page('/deliveries?state=pending', listed)).text).toMatch(
    /3 deliveries of crm: [\s\S]*?left alone until/,
  )
  expect((await page('/deliveries?state=delivered', listed)).text).not.toContain('left alone')
})
