/** Forms on the dashboard: made, seen as respondents see them, changed; and what a browser gets where there is no page. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { managedByFile } from '../../core/dashboard/screens/config.ts'
import { bodyOf, draftOf, typedIn } from '../../core/dashboard/screens/form-draft.ts'
import type { FormItem } from '../../core/dashboard/wire.ts'
import { formToWire, parseForm } from '../../core/ingest/form-definition.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { seeded } from '../support/seeded.ts'
import { visitorOf } from '../support/visitor.ts'

/** What a stranger may write anywhere. */
const EVIL = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
let hub: Hub
const { ask, signIn } = visitorOf(() => hub)

beforeAll(async () => {
  hub = await startHub({
    config: {
      forms: { contact: { name: 'Contact', fields: [{ key: 'note' }] } },
      installations: [{ id: 'crm', use: 'webhooks', with: { url: 'https://crm.example/in' } }],
    },
  })
})
afterAll(() => hub?.[Symbol.asyncDispose]())

test('a form is made, changed field by field without a script, and deleted', async () => {
  const cookie = await signIn(hub.adminKey)
  const typed = {
    name: 'Guests',
    id: 'guests',
    access: 'public',
    unknown: 'keep',
    count: '1',
    'key-0': 'who',
    'type-0': 'text',
  }
  const more = await ask('/forms/new', { cookie, form: { ...typed, do: 'add' } })
  expect([more.status, more.text.includes('name="key-1"'), more.text.includes('value="Guests"')]).toEqual([
    200,
    true,
    true,
  ])
  const wrong = await ask('/forms/new', { cookie, form: { ...typed, 'key-0': '1 bad', do: 'save' } })
  expect([wrong.status, wrong.text.includes('Field 1 (1 bad)')]).toEqual([422, true])
  expect(wrong.text).toMatch(
    /name="key-0" value="1 bad"[^>]* aria-invalid="true" aria-describedby="key-0-error key-0-hint">/,
  )
  const made = await ask('/forms/new', { cookie, form: { ...typed, do: 'save' } })
  expect(made.location).toBe('/forms/guests')
  const changed = {
    ...typed,
    count: '2',
    'key-1': 'diet',
    'type-1': 'select',
    'options-1': 'meat\nnone = No meat',
    'required-1': 'on',
  }
  const moved = await ask('/forms/guests/edit', { cookie, form: { ...changed, do: 'up:1' } })
  expect(moved.text).toMatch(/name="key-0" value="diet"[\s\S]*name="key-1" value="who"/)
  await ask('/forms/guests/edit', { cookie, form: { ...changed, version: '1', do: 'save' } })
  const { body } = await hub.api<{ fields: object[]; version: number }>('GET', '/api/v2/forms/guests')
  expect(body.version).toBe(2)
  expect(body.fields[1]).toMatchObject({
    key: 'diet',
    required: true,
    options: [{ value: 'meat' }, { value: 'none', label: 'No meat' }],
  })
  const label = (at: number) => (text: string) => new RegExp(`<textarea id="label-${at}"[^>]* autofocus>`).test(text)
  expect([moved.text, more.text].map(label(0))).toEqual([true, false])
  expect([moved.text, more.text].map(label(1))).toEqual([false, true])
  const bare = await ask('/forms/new', { cookie, form: { ...typed, do: 'remove:0' } })
  expect(bare.text).toMatch(/value="add" class="quiet" autofocus>/)
  await hub.api('POST', '/api/v2/forms/guests/responses', { data: { diet: 'meat' } })
  expect((await ask('/forms/guests/delete', { cookie })).text).toContain('and 1 response to it')
  expect((await ask('/forms/guests/delete', { cookie, form: {} })).location).toBe('/forms')
  expect((await ask('/forms/guests', { cookie })).status).toBe(404)
})

test('what nobody typed is made of the label and the name, each another one, and shown before it is saved', async () => {
  const cookie = await signIn(hub.adminKey)
  const labels = ['How old are you?', 'How old are you?', '2nd choice', 'お名前', 'Größe', 'constructor', ' ', 'Taken']
  const typed = {
    name: 'Fête d’été 2026',
    id: '',
    access: 'public',
    unknown: 'keep',
    version: '',
    count: String(labels.length),
    ...Object.fromEntries(
      labels.flatMap((label, at) => [
        [`label-${at}`, label],
        [`type-${at}`, 'text'],
      ]),
    ),
    'key-7': 'how_old_are_you_2',
  }
  const namesIn = (text: string) => [...text.matchAll(/name="(?:id|key-\d)" value="([^"]*)"/g)].map(([, name]) => name)
  const names = ['field_2nd_choice', 'field', 'grosse', 'constructor_2', '', 'how_old_are_you_2']
  const more = await ask('/forms/new', { cookie, form: { ...typed, do: 'add' } })
  const ofNew = ['fete-d-ete-2026', 'how_old_are_you', 'how_old_are_you_3', ...names]
  expect(namesIn(more.text)).toEqual([...ofNew, ''])
  const saved = await ask('/forms/new', { cookie, form: { ...typed, count: '6', do: 'save' } })
  expect(saved.location).toBe('/forms/fete-d-ete-2026')
  const again = await ask('/forms/new', { cookie, form: { ...typed, count: '1', do: 'save' } })
  expect(again.location).toBe('/forms/fete-d-ete-2026-2')
  const drafted = await ask('/forms/draft', { cookie, form: { ...typed, 'type-7': 'select' } })
  expect(drafted.text).toContain('data-for="id" value="fete-d-ete-2026-3"')
  expect(drafted.text).toMatch(
    /data-missing[^>]*>.*<strong>Field 8 \(how_old_are_you_2\)<\/strong> <code>options<\/code>/s,
  )
  expect(drafted.text).not.toContain('Field 7')
  const whole = await ask('/forms/draft', { cookie, form: typed })
  expect(whole.text).not.toContain('data-missing')
})

test('what the configuration manages is not offered to be changed, nor is anything to a key that may not', async () => {
  const cookie = await signIn(hub.adminKey)
  expect((await ask('/forms/contact', { cookie })).text).not.toContain('/forms/contact/edit')
  const told = await ask('/forms/contact/edit', { cookie })
  expect([told.status, told.text.includes('Managed by'), told.text.includes('name="key-0"')]).toEqual([
    200,
    true,
    false,
  ])
  const demo = { file: null, readable: true, items: [], piece: null, yaml: null }
  expect(managedByFile(demo).text).toContain('there is no file to change it in')
  const { body } = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'reads', scopes: ['forms:read'] })
  const reader = await signIn(body.key)
  for (const path of ['/forms/new', '/forms/contact/edit'])
    expect([path, (await ask(path, { cookie: reader })).status]).toEqual([path, 403])
  expect((await ask('/forms/contact', { cookie: reader })).text).toContain('changed there by whoever runs the hub')
})

test('a form that is opened and saved is the form that it was, whatever its texts have in them', () => {
  const dice = seeded(process.env['FORMS_SEED'])
  const pick = <T>(from: readonly T[]): T => from[Math.floor(dice.next() * from.length)] as T
  const PIECES = [' = ', '=', ' ', '"', '\\', '\\n', '\n', '\t', 'a', 'b', 'é', '\u2028', '{', '&', '<b>']
  const words = (most: number) =>
    Array.from({ length: 1 + Math.floor(dice.next() * most) }, () => pick(PIECES)).join('')
  for (let round = 0; round < 500; round += 1) {
    const values = new Set(Array.from({ length: 1 + Math.floor(dice.next() * 6) }, () => words(6)))
    const options = [...values].map((value) => ({ value, label: pick([value, words(6)]) }))
    const choice = {
      key: 'c',
      type: 'select',
      label: `x${words(8)}`,
      help: `x${words(8)}`,
      options,
      pii: round % 2 > 0,
    }
    const fields = [choice, { key: 'n', type: 'number', label: 'n', required: true, min: -1.5, max: 1e21 }]
    const more = { unknown_fields: 'refuse', honeypot_field: 'trap', timezone: 'Europe/Berlin' }
    const read = parseForm({ name: 'All', fields, access: 'key', ...more })
    if (!read.ok) throw new Error(JSON.stringify(read.problems))
    const draft = draftOf({ ...formToWire(read.definition), id: 'all', version: 1 } as unknown as FormItem)
    const sent = new URLSearchParams({ ...draft, fields: '', count: String(draft.fields.length) })
    draft.fields.forEach(({ required, pii, ...texts }, at) => {
      // As browsers do it.
      for (const [name, text] of Object.entries(texts)) sent.set(`${name}-${at}`, text.replaceAll('\n', '\r\n'))
      for (const [name, isSet] of Object.entries({ required, pii })) if (isSet) sent.set(`${name}-${at}`, 'on')
    })
    expect(parseForm(bodyOf(typedIn(sent))), `FORMS_SEED=${dice.seed}`).toEqual(read)
  }
})

test('what is put on a page chooses nothing for anybody and takes what the form takes', async () => {
  const cookie = await signIn(hub.adminKey)
  const fields = [
    { key: 'size', type: 'select', options: ['s', 'l'] },
    { key: 'budget', type: 'number', min: 0.5 },
  ]
  await hub.api('POST', '/api/v2/forms', { id: 'embedded', name: 'Embedded', fields })
  const { text } = await ask('/forms/embedded', { cookie })
  expect(text).toContain('&lt;select name=&quot;size&quot;&gt;&lt;option value=&quot;&quot;&gt;&lt;/option&gt;')
  expect(text).toContain('type=&quot;number&quot; name=&quot;budget&quot; step=&quot;any&quot; min=&quot;0.5&quot;&gt;')
  expect(text).toMatch(/&lt;script src=&quot;http:\/\/[^&]+\/m\.js&quot;/)
})

test('who saves what somebody else saved meanwhile is told first, and loses nothing', async () => {
  const cookie = await signIn(hub.adminKey)
  const { body: read } = await hub.api('POST', '/api/v2/forms', { id: 'shared', name: 'Shared' })
  // As it was read, changed by one.
  const mine = await hub.api('PUT', '/api/v2/forms/shared', { ...read, name: 'Mine' })
  expect([mine.status, mine.body['version']]).toEqual([200, 2])
  const theirs = await hub.api('PUT', '/api/v2/forms/shared', { ...read, name: 'Theirs' })
  expect([theirs.status, theirs.body['code'], String(theirs.body['detail'])]).toEqual([
    409,
    'conflict',
    expect.stringContaining('it is version 2 now, not 1'),
  ])
  expect((await hub.api('PUT', '/api/v2/forms/shared', { ...read, version: '1' })).text).toContain('/version')
  const typed = { name: 'Typed', access: 'public', unknown: 'keep', count: '0', version: '1', do: 'save' }
  const told = await ask('/forms/shared/edit', { cookie, form: typed })
  expect([
    told.status,
    told.text.includes('somebody else saved version 2'),
    told.text.includes('value="Typed"'),
  ]).toEqual([409, true, true])
  const [, version = ''] = /name="version" value="(\d+)"/.exec(told.text) ?? []
  expect((await hub.api('GET', '/api/v2/forms/shared')).body['name']).toBe('Mine')
  await ask('/forms/shared/edit', { cookie, form: { ...typed, version } })
  expect((await hub.api('GET', '/api/v2/forms/shared')).body['name']).toBe('Typed')
})

test('where there is no page a browser gets one that says so, and a program gets what the API always says', async () => {
  const look = (path: string, accept: string) => fetch(hub.url + path, { headers: { accept } })
  const browser = 'text/html,application/xhtml+xml,*/*;q=0.8'
  const page = await look(`/nowhere/${encodeURIComponent(EVIL)}`, browser)
  expect([page.status, page.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8'])
  const text = await page.text()
  expect(text).toContain('There is no such page')
  expect(text).not.toMatch(/nowhere|<script>/)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  for (const [path, accept] of [
    ['/nowhere', 'application/json'],
    ['/api/v2/nowhere', browser],
    ['/i/nowhere/x', browser],
    ['/nowhere', '*/*'],
  ] as const) {
    const answer = await look(path, accept)
    expect([path, answer.status, answer.headers.get('content-type')]).toEqual([path, 404, 'application/problem+json'])
  }
  const large = await fetch(`${hub.url}/sign-in`, {
    method: 'POST',
    headers: { accept: browser, origin: hub.url },
    body: 'k'.repeat(2_000_000),
  })
  expect([large.status, large.headers.get('content-type')]).toEqual([413, 'text/html; charset=utf-8'])
})

test('a form of every type is seen as respondents see it while it is edited, and nothing is stored', async () => {
  const cookie = await signIn(hub.adminKey)
  const types = [
    'text',
    'long_text',
    'email',
    'number',
    'boolean',
    'date',
    'datetime',
    'select',
    'multi_select',
    'radio',
  ]
  const all = [...types, 'rating', 'file', 'hidden']
  const rows = all.flatMap((type, at) => [
    [`key-${at}`, type],
    [`label-${at}`, `A ${type} ${EVIL}`],
    [`type-${at}`, type],
    [`options-${at}`, /select|radio/.test(type) ? 'one\ntwo = The second' : ''],
  ])
  const typed = { name: 'All', id: 'all', access: 'public', unknown: 'keep', ...Object.fromEntries(rows) }
  const form = { ...typed, count: String(all.length) } as Record<string, string>
  const shown = await ask('/forms/preview', { cookie, form })
  expect([shown.status, shown.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  expect(shown.headers.get('content-security-policy')).toMatch(/frame-ancestors 'self'; sandbox$/)
  for (const type of all) expect(shown.text).toContain(`name="${type}"`)
  expect(shown.text).toContain('The second')
  expect(shown.text).not.toContain('<script>')
  expect((await hub.api('GET', '/api/v2/forms/all')).status).toBe(404)
  const wrong = await ask('/forms/preview', { cookie, form: { ...form, 'key-3': '4 no' } })
  expect([wrong.status, wrong.text.includes('<strong>Field 4 (4 no)</strong>')]).toEqual([200, true])
  const saved = await ask('/forms/new', { cookie, form: { ...form, do: 'save' } })
  expect(saved.location).toBe('/forms/all')
  expect((await ask('/forms/all', { cookie })).text).toContain('src="/forms/all/preview"')
  expect((await ask('/forms/all/preview', { cookie })).text).toContain('The second')
})

test('of two forms with one name each is told apart wherever one chooses among forms', async () => {
  const cookie = await signIn(hub.adminKey)
  for (const id of ['twin', 'twin-2']) await hub.api('POST', '/api/v2/forms', { id, name: 'Twin' })
  for (const path of ['/responses', '/events?form=gone']) {
    const { text } = await ask(path, { cookie })
    for (const words of ['value="twin">Twin (twin)<', 'value="twin-2">Twin (twin-2)<', 'value="contact">Contact<'])
      expect([path, text.includes(words), words]).toEqual([path, true, words])
  }
  expect((await ask('/events?form=gone', { cookie })).text).toContain('<option value="gone" selected>gone<')
})

test('a filter that is refused is told above what was typed', async () => {
  const cookie = await signIn(hub.adminKey)
  const typed = await ask('/responses?filter=%7B%22age%22%3A1%7D&status=partial', { cookie })
  expect([
    typed.status,
    typed.text.includes('value="{&quot;age&quot;:1}"'),
    typed.text.includes('selected>partial'),
  ]).toEqual([422, true, true])
  expect(typed.text).toContain('<strong>Condition</strong> <code>age</code>:')
})

test('lists are narrowed down to a form or an installation by its name; very many are offered as one types', async () => {
  const cookie = await signIn(hub.adminKey)
  const make = (id: string, name: string) => hub.api('POST', '/api/v2/forms', { id, name, fields: [] })
  for (const id of ['party_a', 'party_b']) expect((await make(id, 'Party')).status).toBe(201)
  const control = async (path: string, name: string): Promise<string> => {
    const { text } = await ask(path, { cookie })
    return new RegExp(`<(?:select|input) id="filter-${name}".*?</div>`, 's').exec(text)?.[0] ?? ''
  }
  for (const path of ['/deliveries', '/dead-letters', '/events', '/quarantine']) {
    const form = await control(`${path}?form=gone`, 'form')
    for (const option of [
      'value="contact">Contact',
      'value="party_a">Party (party_a)',
      'value="party_b">Party (party_b)',
      'value="gone" selected>gone',
    ])
      expect([path, option, form.includes(`<option ${option}</option>`)]).toEqual([path, option, true])
  }
  for (const path of ['/deliveries', '/dead-letters', '/quarantine', '/runs']) {
    const installation = await control(path, 'installation')
    expect([path, installation.includes('<option value="crm">crm</option>')]).toEqual([path, true])
  }
  for (let n = 0; n < 99; n += 1) await make(`many_${n}`, `Many ${n}`)
  const many = await control('/deliveries?form=many_7', 'form')
  expect(many).toMatch(/^<input[^>]* value="many_7"[^>]* list="filter-form-list">/)
  expect(many).toContain('<option value="many_98" label="Many 98">')
})

test('a time is chosen as a day, in the zone that is said, and stays as a link writes it', async () => {
  const cookie = await signIn(hub.adminKey)
  for (const path of ['/responses', '/deliveries', '/dead-letters', '/events', '/quarantine', '/runs']) {
    const { text } = await ask(`${path}?since=2026-01-31&until=2026-05-31T09:30:00Z`, { cookie })
    for (const part of [
      '<label for="filter-since">Since (UTC)</label><input id="filter-since" name="since" type="date" value="2026-01-31"',
      '<label for="filter-until">Before (UTC)</label><input id="filter-until" name="until" type="text" value="2026-05-31T09:30:00Z"',
    ])
      expect([path, part, text.includes(part)]).toEqual([path, part, true])
  }
})

test('answers to a field that was taken out of the form stay in its list and its file', async () => {
  const cookie = await signIn(hub.adminKey)
  const fields = [{ key: 'mail' }, { key: 'team' }]
  await hub.api('POST', '/api/v2/forms', { id: 'shrunk', name: 'Shrunk', fields })
  await hub.api('POST', '/api/v2/forms/shrunk/responses', { data: { mail: 'a@example.com', team: 'HR' } })
  await hub.api('POST', '/api/v2/forms/shrunk/responses', { data: { mail: 'b@example.com' } })
  await hub.api('PUT', '/api/v2/forms/shrunk', { name: 'Shrunk', fields: fields.slice(0, 1) })
  const file = await ask('/responses?form=shrunk&format=csv', { cookie })
  const [heading = '', ...lines] = file.text.trim().split('\r\n')
  expect(heading).toMatch(/,"mail","Other answers"$/)
  expect(lines.map((line) => line.slice(line.indexOf('@') - 1))).toEqual([
    'b@example.com",',
    'a@example.com","{""team"":""HR""}"',
  ])
  const page = await ask('/responses?form=shrunk', { cookie })
  expect(page.text).toContain('value="*"> Other answers')
  expect((await ask('/responses?form=shrunk&column=mail&column=*', { cookie })).text).toMatch(/team<\/span> HR/)
})
