/** Our linter of Zapier's publishing rules: a good definition passes, and each rule catches the violation planted for it. */
import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import openapi from '../../core/http/openapi.json' with { type: 'json' }
import { broken, snapshotOf } from '../../zapier-app/lint/compatibility.ts'
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
  expect(
    after((app) => {
      app.version = '2.0.0'
      hook(app).inputFields = []
    }),
  ).toEqual([])
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
  const files = globSync('zapier-app/recipes/**/*.{json,md}', { cwd: ROOT })
  expect(files).toHaveLength(7)
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
