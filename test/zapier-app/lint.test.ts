/** Our linter of Zapier's publishing rules: a good definition passes, and each rule catches the violation planted for it. */
import { globSync, readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import openapi from '../../core/http/openapi.json' with { type: 'json' }
import { broken, refusals, snapshotOf } from '../../zapier-app/lint/compatibility.ts'
import { itemFindings } from '../../zapier-app/lint/items.ts'
import { listingFindings } from '../../zapier-app/lint/listing.ts'
import { lint, RULES } from '../../zapier-app/lint/rules.ts'
import { ROOT } from '../support/hub.ts'

const good = () => ({
  version: '1.0.0',
  authentication: {
    connectionLabel: '{{name}}' as string | undefined,
    fields: [{ key: 'api_key', label: 'API Key', helpText: 'Make one [here](https://example.com/keys).' }],
  },
  triggers: {
    new_thing: {
      key: 'new_thing',
      noun: 'Thing',
      display: { label: 'New Thing in a Box', description: 'Triggers when a thing is made.', hidden: false },
      operation: {
        type: 'hook',
        inputFields: [{ key: 'box_id', label: 'Box', dynamic: 'box.id.name', search: 'find_box.id' } as Field],
        outputFields: [
          { key: 'id', type: 'string' },
          { key: 'at', type: 'datetime' },
          { key: 'count', type: 'number' },
        ],
        sample: { id: 'a', at: '2026-03-01T10:00:00Z', count: 1 } as Record<string, unknown> | undefined,
        perform: 'f',
        performList: 'f' as string | undefined,
        performSubscribe: 'f' as string | undefined,
        performUnsubscribe: 'f' as string | undefined,
      },
    },
    box: {
      key: 'box',
      noun: 'Box',
      display: { label: 'List of Boxes', description: 'Triggers when boxes are listed.', hidden: true },
      operation: { sample: { id: 'b' } },
    },
  },
  searches: {
    find_box: {
      key: 'find_box',
      noun: 'Box',
      display: { label: 'Find Box', description: 'Finds a box.' },
      operation: { inputFields: [{ key: 'name', label: 'Name' } as Field], sample: { id: 'b' } },
    },
  },
  creates: {
    create_box: {
      key: 'create_box',
      noun: 'Box',
      display: { label: 'Create Box', description: 'Creates a box.' },
      operation: {
        inputFields: [{ key: 'name', label: 'Name', helpText: 'Such as `https://example.com`.' } as Field],
        sample: { id: 'b' },
      },
    },
  },
  searchOrCreates: {
    find_box: {
      key: 'find_box',
      display: { label: 'Find or Create Box', description: 'Finds a box, or creates one.' },
      search: 'find_box',
      create: 'create_box',
    },
  },
})

interface Field {
  key: string
  label: string
  type?: string
  required?: boolean
  helpText?: string
  dynamic?: string
  search?: string
}

type App = ReturnType<typeof good>
const input = (app: App, field: Partial<Field>): void =>
  void app.creates.create_box.operation.inputFields.push({ key: 'more', label: 'More', ...field })
const hook = (app: App) => app.triggers.new_thing.operation

const PLANTED: Readonly<Record<string, (app: App) => void>> = {
  D001: (app) => input(app, { key: 'api_key' }),
  D002: (app) => void (app.authentication.fields[0]!.helpText = 'Ask somebody.'),
  D003: (app) => void (app.authentication.connectionLabel = 'My account'),
  D004: (app) => input(app, { key: 'box_id' }),
  D005: (app) => input(app, { dynamic: 'nowhere.id' }),
  D006: (app) => void (hook(app).performList = undefined),
  D007: (app) => input(app, { helpText: 'See `http://example.com`.' }),
  D008: (app) => input(app, { helpText: 'See https://example.com' }),
  D009: (app) => void (app.searches.find_box.operation.inputFields = []),
  D010: (app) => void delete app.triggers.box.operation.sample['id' as never],
  D011: (app) => input(app, { label: 'Name of It', helpText: 'name of it.' }),
  D012: (app) => void (hook(app).sample = undefined),
  D013: (app) => input(app, { search: 'find_nothing.id', dynamic: 'box.id' }),
  D014: (app) => input(app, { search: 'find_box.id' }),
  D015: (app) => void (app.searchOrCreates.find_box.create = 'create_nothing'),
  D016: (app) => {
    hook(app).performSubscribe = undefined
    Object.assign(app, { searches: {}, creates: {}, searchOrCreates: {} })
  },
  D017: (app) => void (hook(app).performUnsubscribe = undefined),
  D018: (app) => void (app.creates.create_box.display.label = 'Create box'),
  D021: (app) => void (app.triggers.new_thing.display.description = 'A thing is made'),
  D022: (app) => void (app.creates.create_box.operation.inputFields = []),
  D023: (app) => void (hook(app).sample!['at'] = '2026-03-01T10:00:00'),
  D024: (app) => void (hook(app).sample!['count'] = '1'),
}

test('a good definition has nothing to be said of it, and every rule has a planted violation', () => {
  expect(lint(good())).toEqual([])
  expect(Object.keys(PLANTED)).toEqual(RULES.map(({ id }) => id))
})

test.each(Object.entries(PLANTED))('%s catches what is planted for it', (id, plant) => {
  const app = good()
  plant(app)
  expect(lint(app).map((finding) => finding.slice(0, 4))).toContain(id)
})

test('a search that creates is read by people, too', () => {
  const app = good()
  app.searchOrCreates.find_box.display = { label: 'Find or create box', description: 'A box' }
  expect(lint(app).filter((finding) => finding.includes('searchOrCreates.'))).toEqual([
    'D018 searchOrCreates.find_box: write "Find or create box" in Title Case',
    'D021 searchOrCreates.find_box: the description needs a full stop',
    'D021 searchOrCreates.find_box: the description begins with what it does, such as "Creates"',
  ])
})

test('what a published version has is kept until the next major version', () => {
  const before = snapshotOf(good())
  const after = (change: (app: App) => void) => {
    const app = good()
    change(app)
    return broken(before, snapshotOf(app))
  }
  expect(after(() => {})).toEqual([])
  expect(after((app) => input(app, {}))).toEqual([])
  expect(after((app) => input(app, { required: true }))).toEqual([expect.stringMatching(/^C002 creates\.create_box/)])
  expect(after((app) => void delete (app.creates as object as Record<string, unknown>)['create_box'])).toEqual([
    'C001 creates.create_box is gone',
  ])
  expect(after((app) => void (app.triggers.new_thing.display.hidden = true))).toEqual([expect.stringMatching(/^C001/)])
  expect(after((app) => void (hook(app).inputFields = []))).toEqual([expect.stringMatching(/^C002.*"box_id" is gone/)])
  expect(after((app) => void delete hook(app).sample!['count'])).toEqual([expect.stringMatching(/^C003.*"count"/)])
  expect(after((app) => void hook(app).outputFields.pop())).toEqual([expect.stringMatching(/^C003.*"count" is gone/)])
  expect(after((app) => void (hook(app).inputFields[0]!.type = 'number'))).toEqual([
    expect.stringMatching(/^C002.*"box_id" was of type string, and is number/),
  ])
  expect(after((app) => void (app.authentication.fields[0]!.key = 'token'))).toEqual([
    'C002 authentication: the input "api_key" is gone',
  ])
  expect(after((app) => Object.assign(app, { searchOrCreates: {} }))).toEqual(['C001 searchOrCreates.find_box is gone'])
  expect(
    after((app) => {
      app.version = '2.0.0'
      hook(app).inputFields = []
    }),
  ).toEqual([])
})

test('the snapshot is written for a newer version alone, and never when it drops something', () => {
  const before = snapshotOf(good())
  const at = (version: string, change: (app: App) => void = () => {}) => {
    const app = good()
    app.version = version
    change(app)
    return refusals(before, snapshotOf(app))
  }
  const more = (app: App): void => input(app, {})
  const less = (app: App): void => void (hook(app).inputFields = [])
  expect([at('1.0.0'), at('1.0.1'), at('1.10.0', more), at('2.0.0', less)]).toEqual([[], [], [], []])
  expect(at('1.0.0', more)).toEqual([expect.stringMatching(/^1\.0\.0 is published without this: set the next minor/)])
  expect(at('0.9.9', more)).toEqual([expect.stringMatching(/older than 1\.0\.0/)])
  expect(at('1.1.0', less)).toEqual([expect.stringMatching(/^C002/), expect.stringMatching(/^set the next major/)])
})

test('what a trigger brings is held against the checks of live items', () => {
  const fields = [
    { key: 'id', type: 'string' },
    { key: 'at', type: 'datetime' },
    { key: 'answers__count', type: 'number' },
    { key: 'answers__several', type: 'string' },
  ]
  const item = (id: string, changes: object = {}) => ({
    id,
    at: '2026-03-01T10:00:00Z',
    answers: { count: 1, several: ['a'] },
    ...changes,
  })
  const codes = (...items: object[]) =>
    itemFindings(items as Record<string, unknown>[], fields).map((each) => each.slice(0, 4))
  expect(codes(item('1'), item('2', { at: '2026-03-01', answers: { count: null, several: [] } }))).toEqual([])
  expect(codes(item(''), item('2'))).toEqual(['T002'])
  expect(codes(item('1'), item('1'))).toEqual(['T002'])
  expect(codes(item('1', { at: '2026-03-01T10:00:00' }))).toEqual(['T003'])
  expect(codes(item('1'), item('2', { more: 1 }))).toEqual(['T004'])
  expect(codes(item('1', { answers: { several: [] } }))).toEqual(['T005'])
  expect(codes(item('1', { answers: { count: 'one', several: [] } }))).toEqual(['T006'])
})

test('sentence and picture of the listing', () => {
  const png = (width: number, height: number, colour: number) => {
    const bytes = new Uint8Array(26)
    bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
    const view = new DataView(bytes.buffer)
    view.setUint32(16, width)
    view.setUint32(20, height)
    bytes[25] = colour
    return bytes
  }
  const description = 'Acme is a box in which things are kept until somebody needs them.'
  const codes = (description: string, logo: Uint8Array) =>
    listingFindings({ description, logo }).map((each) => each.slice(0, 4))
  expect(codes(description, png(256, 256, 6))).toEqual([])
  expect(codes('Too short.', png(256, 256, 6))).toEqual(['M002'])
  expect(codes(`${description} It syncs with Zapier.`, png(256, 256, 6))).toEqual(['M002'])
  for (const logo of [png(256, 200, 6), png(128, 128, 6), png(256, 256, 2), new Uint8Array(30)])
    expect(codes(description, logo)).toContain('M004')
})

test('recipes are JSON, and call what the hub has', () => {
  const shape = (path: string): string => path.replaceAll(/\{\{[^}]*\}\}|\{[^}]*\}/g, '*')
  const known = new Set(Object.keys(openapi.paths).map(shape))
  const files = globSync('zapier-app/recipes/**/*.{json,md,ts}', { cwd: ROOT })
  expect(files).toHaveLength(9)
  for (const file of files) {
    const text = readFileSync(ROOT + file, 'utf8')
    if (file.endsWith('.json')) JSON.parse(text)
    const called = [...text.matchAll(/\/api\/v2(?:\/(?:\{\{[^}]*\}\}|[\w{}-]+))+/g)].map(([path]) => shape(path))
    expect(
      called.filter((path) => !known.has(path)),
      file,
    ).toEqual([])
  }
})

test('recipes that unsubscribe name the address, so that a late call ends nothing that was asked for since', () => {
  const read = (file: string): string => readFileSync(`${ROOT}zapier-app/recipes/${file}`, 'utf8')
  const detach = JSON.parse(read('make/webhook-detach.json')) as Request
  expect(detach['qs']).toEqual({ target_url: '{{webhook.url}}' })
  const { nodes } = JSON.parse(read('n8n-new-response.json')) as { nodes: { name: string; parameters: object }[] }
  expect(nodes.find(({ name }) => name === 'Unsubscribe')?.parameters).toMatchObject({
    method: 'DELETE',
    sendQuery: true,
    queryParameters: { parameters: [{ name: 'target_url', value: "={{ $('Settings').item.json.target }}" }] },
  })
  expect(read('activepieces/manifold.ts')).toMatch(/target_url: webhookUrl \}\)\n.*'DELETE'.*\?\$\{query\}/)
})

/** What the schemas of Make's editor allow in a request, as far as our files use it. */
const MAKE_REQUEST = new Set(['url', 'method', 'headers', 'qs', 'body', 'response', 'pagination', 'log'])
const MAKE_RESPONSE = new Set(['error', 'metadata', 'iterate', 'output', 'data'])

test("Make's files name what Make knows: requests that change something have a body, what they use is asked for", () => {
  const files = globSync('zapier-app/recipes/make/*.json', { cwd: ROOT })
  const parsed = files.map((file) => JSON.parse(readFileSync(ROOT + file, 'utf8')) as Request | readonly Named[])
  const requests = parsed.filter((each): each is Request => !Array.isArray(each))
  const asked = new Set(
    parsed.flatMap((each) => (Array.isArray(each) ? (each as Named[]).map(({ name }) => name) : [])),
  )
  expect(requests).toHaveLength(4)
  for (const request of requests) {
    expect(Object.keys(request).filter((name) => !MAKE_REQUEST.has(name))).toEqual([])
    expect(Object.keys(request['response'] ?? {}).filter((name) => !MAKE_RESPONSE.has(name))).toEqual([])
    expect(request['method'] === undefined || request['body'] !== undefined).toBe(true)
  }
  const used = JSON.stringify(requests).matchAll(/\b(?:connection|parameters)\.(\w+)/g)
  expect(new Set([...used].map(([, name]) => name))).toEqual(asked)
})

test("Make's connection keeps the address without a slash at its end, and its list of forms has every page", () => {
  const read = (file: string) => JSON.parse(readFileSync(`${ROOT}zapier-app/recipes/make/${file}`, 'utf8')) as Request
  const { url, response } = read('connection.json') as unknown as {
    url: string
    response: { data: { baseUrl: string } }
  }
  // Functions of Make, by their descriptions there.
  const functions = {
    choose: (is: boolean, then: unknown, other: unknown) => (is ? then : other),
    length: (text: string) => text.length,
    substring: (text: string, from: number, to: number) => text.slice(from, to),
  }
  const made = (template: string, baseUrl: string): string =>
    template.replaceAll(/\{\{(.*?)\}\}/g, (_, expression: string) =>
      String(runInNewContext(expression.replace('if(', 'choose('), { ...functions, parameters: { baseUrl } })),
    )
  for (const typed of ['https://forms.example.com', 'https://forms.example.com/']) {
    expect(made(url, typed)).toBe('https://forms.example.com/api/v2/me')
    expect(made(response.data.baseUrl, typed)).toBe('https://forms.example.com')
  }
  expect(read('rpc-list-forms.json')['pagination']).toEqual({
    qs: { cursor: '{{body.next_cursor}}' },
    condition: '{{body.next_cursor}}',
  })
})

type Request = Readonly<Record<string, object | string | undefined>>

interface Named {
  readonly name: string
}
