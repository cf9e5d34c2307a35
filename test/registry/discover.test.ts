/** Plugin folders as strangers leave them: each mistake is told with file and pointer, and nothing outside the root is reached. */
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { discoverPlugins } from '../../core/registry/discover.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { HELLO, writePlugin } from './plugin-folder.ts'

let temp: TempDir
let root = ''
beforeEach(async () => {
  temp = await tempDir('discover')
  root = temp.file('root')
  await mkdir(root)
})
afterEach(() => temp[Symbol.asyncDispose]())

const discover = () => discoverPlugins([{ dir: root, origin: 'community' }])

/** The problems of the only broken plugin, with the root left out. */
async function problemsOf(): Promise<string[]> {
  const { found, broken } = await discover()
  expect(found).toEqual([])
  expect(broken).toHaveLength(1)
  return (broken[0]?.problems ?? []).map((problem) => problem.replaceAll(`${root}/`, ''))
}

it('finds what is right and leaves the rest of the folder alone', async () => {
  await writePlugin(root, 'hello')
  await writeFile(join(root, 'README.md'), 'hi')
  await mkdir(join(root, 'not-a-plugin'))
  await writePlugin(join(root, 'node_modules'), 'buried')
  await writePlugin(root, '.hidden')
  const { found, broken } = await discover()
  expect(broken).toEqual([])
  expect(found.map(({ manifest, dir, origin }) => [manifest.id, dir, origin])).toEqual([
    ['hello', join(root, 'hello'), 'community'],
  ])
  expect(found[0]?.manifest.permissions).toMatchObject({ kv: false, responses: false, emit: false })
})

it('takes a root that is a plugin itself, and roots that do not exist', async () => {
  const dir = await writePlugin(root, 'hello')
  const { found, broken } = await discoverPlugins([
    { dir, origin: 'community' },
    { dir: join(root, 'nowhere'), origin: 'builtin' },
  ])
  expect([found.map(({ manifest }) => manifest.id), broken]).toEqual([['hello'], []])
})

describe('manifests', () => {
  const { hub: _hub, ...withoutHub } = HELLO
  const cases: readonly [string, object | string, string[]][] = [
    [
      'no JSON',
      '{"id": "hello",}',
      [expect.stringMatching(/^hello\/plugin\.json: is not valid JSON: .*(line 1|position 15)/)],
    ],
    ['a missing key', withoutHub, ['hello/plugin.json#/hub: "hub" is missing → it must be text']],
    [
      'an unknown key',
      { ...HELLO, permissons: {} },
      ['hello/plugin.json#/permissons: unknown key "permissons" → did you mean "permissions"?'],
    ],
    [
      'several mistakes',
      { ...HELLO, on: { 'response.submitted': { data: ['dta'] } }, actions: { 'Bad Name': {} } },
      [
        'hello/plugin.json#/on/response.submitted/data/0: must be "data" or "form" or "response" or "meta" (got "dta") → did you mean "data"?',
        'hello/plugin.json#/actions/Bad Name: "Bad Name" is no valid key: use lower-case letters, digits and "-", starting with a letter',
      ],
    ],
    [
      'another id than the folder',
      { ...HELLO, id: 'other' },
      ['hello/plugin.json#/id: the id "other" is not the folder\'s name "hello" → rename one of the two'],
    ],
    [
      'an id that walks',
      { ...HELLO, id: '../hello' },
      ['hello/plugin.json#/id: use lower-case letters, digits and "-", starting with a letter (got "../hello")'],
    ],
    [
      'a main that walks',
      { ...HELLO, main: '../../etc/passwd.js' },
      ['hello/plugin.json#/main: use a path inside the folder ending in .ts, .js or .mjs (got "../../etc/passwd.js")'],
    ],
    [
      'a main that is not there',
      { ...HELLO, main: 'main.ts' },
      ['hello/plugin.json#/main: there is no file "main.ts" in the folder'],
    ],
    [
      'another plugin API',
      { ...HELLO, hub: '^2.0' },
      [
        'hello/plugin.json#/hub: wants plugin API ^2.0, this hub offers 1.0.0 → use a version of the plugin made for this hub',
      ],
    ],
    [
      'no version range',
      { ...HELLO, hub: 'new' },
      ['hello/plugin.json#/hub: "new" is no version range → write for example "^1.0"'],
    ],
    [
      'hosts that are URLs, unknown settings or too wide',
      {
        ...HELLO,
        permissions: { http: { hosts: ['https://api.example.com/x', '@config.endpoint', '*', '@data.url'] } },
      },
      [
        'hello/plugin.json#/permissions/http/hosts/0: "https://api.example.com/x" is no host; write "api.example.com", "*.example.com" or "@config.<setting>", without scheme and path',
        'hello/plugin.json#/permissions/http/hosts/1: "@config.endpoint" names a setting that "config" does not describe',
        'hello/plugin.json#/permissions/http/hosts/2: "*" is no host; write "api.example.com", "*.example.com" or "@config.<setting>", without scheme and path',
        'hello/plugin.json#/permissions/http/hosts/3: "@data.url" is no setting; write "@config.<setting>"',
      ],
    ],
    [
      'events that are enqueued without a handler',
      {
        ...HELLO,
        on: {
          'response.submitted': { enqueue: 'post', data: ['data'] },
          'form.changed': { enqueue: 'note' },
          'form.deleted': { enqueue: 'constructor' },
        },
        actions: { post: { data: ['data'] }, note: {} },
      },
      [
        'hello/plugin.json#/on/response.submitted/data: no handler runs where "enqueue" is given, so there is nobody to read "data" → name the parts at actions.post.data',
        'hello/plugin.json#/actions/note: "note" has no "data", so it would get neither an input nor the event → name what it reads, such as "data": ["data", "form"]',
        'hello/plugin.json#/on/form.deleted/enqueue: "constructor" is no action of this manifest',
      ],
    ],
    [
      'a pace that nobody can count with',
      {
        ...HELLO,
        permissions: {},
        actions: {
          unknown: { pace: { perS: '@config.none' } },
          maybe: { pace: { perS: '@config.maybe' } },
          none: { pace: { perS: '@config.zero' } },
          right: { pace: { perS: '@config.right', burst: 3 } },
        },
        config: {
          type: 'object',
          properties: {
            maybe: { type: 'number', exclusiveMinimum: 0 },
            zero: { type: 'number', minimum: 0, default: 1 },
            right: { type: 'number', exclusiveMinimum: 0, default: 1 },
          },
        },
      },
      [
        'hello/plugin.json#/actions/unknown/pace/perS: "@config.none" must be a number above 0 that is always there; give "config.properties.none" a type, a minimum above 0 and a default',
        'hello/plugin.json#/actions/maybe/pace/perS: "@config.maybe" must be a number above 0 that is always there; give "config.properties.maybe" a type, a minimum above 0 and a default',
        'hello/plugin.json#/actions/none/pace/perS: "@config.zero" must be a number above 0 that is always there; give "config.properties.zero" a type, a minimum above 0 and a default',
      ],
    ],
    [
      'a setting that installations cannot share',
      {
        ...HELLO,
        permissions: {},
        actions: {
          unknown: { serial: 'sheet' },
          maybe: { serial: '@config.maybe' },
          hidden: { serial: '@config.hidden' },
          right: { serial: '@config.right' },
          alone: { serial: true },
        },
        config: {
          type: 'object',
          required: ['right', 'hidden'],
          properties: {
            maybe: { type: 'string' },
            hidden: { type: 'string', format: 'secret' },
            right: { type: 'string' },
          },
        },
      },
      [
        'hello/plugin.json#/actions/unknown/serial: "sheet" is no setting; write true or "@config.<setting>"',
        'hello/plugin.json#/actions/maybe/serial: "@config.maybe" must be a text that is always there and no secret; give "config.properties.maybe" the type "string", and a default or a place in "required"',
        'hello/plugin.json#/actions/hidden/serial: "@config.hidden" must be a text that is always there and no secret; give "config.properties.hidden" the type "string", and a default or a place in "required"',
      ],
    ],
    [
      'schedules',
      { ...HELLO, schedules: { a: { cron: '0 8 * *' }, b: { cron: '0 8 * * *', timezone: 'Mars/Olympus' } } },
      [
        expect.stringMatching(/^hello\/plugin\.json#\/schedules\/a: "0 8 \* \*" is no cron expression: /),
        'hello/plugin.json#/schedules/b: "Mars/Olympus" is no time zone; write for example "Europe/Berlin"',
      ],
    ],
    [
      'a pace of nothing',
      { ...HELLO, actions: { post: { pace: { perS: 0 } } } },
      ['hello/plugin.json#/actions/post/pace/perS: must be at least 0.001 (got 0)'],
    ],
    [
      'more than the ceiling',
      { ...HELLO, limits: { heapMb: 4096 } },
      ['hello/plugin.json#/limits/heapMb: must be at most 128 (got 4096)'],
    ],
    [
      'settings that are no mapping',
      { ...HELLO, config: { type: 'string' }, permissions: {} },
      ['hello/plugin.json#/config/type: must be "object": settings are a mapping'],
    ],
  ]
  it.each(cases)('%s', async (_name, manifest, expected) => {
    await writePlugin(root, 'hello', { manifest })
    expect(await problemsOf()).toEqual(expected)
  })
})

describe('nothing outside the root is reached', () => {
  it('a folder that is a link out', async () => {
    await writePlugin(temp.file('elsewhere'), 'hello')
    await symlink(temp.file('elsewhere/hello'), join(root, 'hello'))
    expect(await problemsOf()).toEqual([
      `hello: is a symbolic link that leaves ${root}; copy the folder, or list its parent in pluginDirs`,
    ])
  })

  it('a manifest or main file that is a link out', async () => {
    await writePlugin(temp.file('elsewhere'), 'hello')
    const dir = await writePlugin(root, 'hello', { code: null })
    await symlink(temp.file('elsewhere/hello/index.ts'), join(dir, 'index.ts'))
    expect(await problemsOf()).toEqual([
      'hello/plugin.json#/main: "index.ts" is a symbolic link that leaves the plugin\'s folder',
    ])
    await rename(join(dir, 'plugin.json'), temp.file('moved.json'))
    await symlink(temp.file('moved.json'), join(dir, 'plugin.json'))
    expect(await problemsOf()).toEqual(["hello/plugin.json: is a symbolic link that leaves the plugin's folder"])
  })

  it('links that lead in circles', async () => {
    await symlink(join(root, 'b'), join(root, 'a'))
    await symlink(join(root, 'a'), join(root, 'b'))
    const { broken } = await discover()
    expect(broken.map(({ problems }) => problems[0])).toEqual([
      expect.stringContaining('(ELOOP)'),
      expect.stringContaining('(ELOOP)'),
    ])
  })

  it("a root that is a link is the admin's choice", async () => {
    await writePlugin(temp.file('elsewhere'), 'hello')
    await symlink(temp.file('elsewhere'), join(temp.path, 'link'))
    const { found } = await discoverPlugins([{ dir: join(temp.path, 'link'), origin: 'community' }])
    expect(found.map(({ dir }) => dir)).toEqual([temp.file('elsewhere/hello')])
  })
})

it('a second folder with the id of a built-in is reported and not used', async () => {
  await writePlugin(temp.file('own'), 'hello')
  await writePlugin(root, 'hello')
  const { found, broken } = await discoverPlugins([
    { dir: temp.file('own'), origin: 'builtin' },
    { dir: root, origin: 'community' },
  ])
  expect(found.map(({ origin }) => origin)).toEqual(['builtin'])
  expect(broken[0]?.problems).toEqual([
    `${join(root, 'hello')}: the id "hello" is taken by ${temp.file('own/hello')}, which is used`,
  ])
})
