/** The conformance suite: our own plugins pass it, and each check catches a plugin made to fail it and nothing else. */
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { conformance } from 'manifold/plugin/testing'
import type { ConformanceOptions } from 'manifold/plugin/testing'
import { ownManifests } from '../architecture/made-files.ts'
import { NATIVE_PLUGINS } from '../architecture/rules.ts'
import { pluginFiles, PROBE } from './plugins.ts'

const ROOT = new URL('../../', import.meta.url)
const OPEN = { http: { hosts: ['receiver.example'] } }
const POSTS = { on: { 'response.submitted': { data: ['data'] } }, actions: { post: {} }, permissions: OPEN }
const URL_TEXT = "'https://receiver.example/in'"

const ROWS = [
  'loads within its limits',
  'manifest and code name the same things',
  'handles the events it asks for',
  'declares what it uses',
  'settles in time',
  'leaves no timers behind',
  'gives the same keys to the same event',
  'repeats an interrupted action as the same one',
  'fails with file and line',
]

/** Settings beyond what the suite makes up by itself. */
const SETTINGS: Readonly<Record<string, ConformanceOptions>> = {
  'plugins/hello': { config: { question: 'budget' } },
  'integrations/slack': {
    config: { channel: 'C1' },
    secrets: { token: 'xoxb-of-the-suite' },
    reply: { json: { ok: true } },
  },
  'integrations/webhooks': {
    config: { url: 'https://receiver.example/in', secret: 'a secret of mine', template: { title: '{{form.name}}' } },
  },
}

describe('plugins that conform', () => {
  // The suite is about the sandbox and what repeats there; those that run natively have tests of their own.
  const folders = ownManifests()
    .map((path) => path.replace('/plugin.json', ''))
    .filter((path) => !NATIVE_PLUGINS.includes(`${path}/`))

  test.each([...folders, 'test/fixtures/flow-plugins/tour'])('%s', async (path) => {
    const { transform } = JSON.parse(await readFile(new URL(`${path}/plugin.json`, ROOT), 'utf8')) as Record<
      string,
      unknown
    >
    const rows = ROWS.toSpliced(3, 0, ...(transform === undefined ? [] : ['looks at responses']))
    expect(await conformance(new URL(path, ROOT), SETTINGS[path])).toEqual(rows)
  })

  test('one of everything, with settings out of its schema', async () => {
    expect(folders.length).toBeGreaterThan(1)
    expect(await conformance(PROBE)).toEqual(ROWS)
  })
})

/** A plugin with one handler that enqueues, and an action with this body. */
const acting = (body: string) => `import { definePlugin, send } from 'manifold/plugin'
export default definePlugin({
  on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', event.id, { key: event.id }) },
  actions: { post: { run: async ([item], ctx) => { ${body} } } },
})`

/** A plugin whose handler has this body. */
const deciding = (body: string) => `import { definePlugin } from 'manifold/plugin'
export default definePlugin({ on: { 'response.submitted': async (event, ctx) => { ${body} } }, actions: { post: { run: () => {} } } })`

const SEND = `return send({ method: 'POST', url: ${URL_TEXT}, headers: { 'idempotency-key': item.delivery.id }, json: 1 })`

const PLANTED: readonly (readonly [row: string, why: RegExp, manifest: object, code: string])[] = [
  ['loads within its limits', /execution timed out\. \(index\.ts:1:/, POSTS, `for (;;) {}\nexport default {}`],
  ['loads within its limits', /there is no file "gone\.ts"/, { ...POSTS, main: 'gone.ts' }, acting(SEND)],
  [
    'manifest and code name the same things',
    /declares actions "other"/,
    { ...POSTS, actions: { post: {}, other: {} } },
    acting(SEND),
  ],
  [
    'handles the events it asks for',
    /event "response.submitted": .*index\.ts:2:/,
    POSTS,
    deciding('event.response.id.trim()'),
  ],
  ['declares what it uses', /manifest does not ask for permissions\.kv/, POSTS, deciding("ctx.kv.set('a', 1)")],
  ['declares what it uses', /permissions\.kv/, POSTS, deciding("await ctx.kv.get('a').catch(() => null)")],
  [
    'declares what it uses',
    /other\.example/,
    POSTS,
    acting("await ctx.http({ method: 'POST', url: 'https://other.example/' }).catch(() => null)"),
  ],
  [
    'settles in time',
    /event "response.submitted": /,
    { ...POSTS, limits: { eventWallMs: 300 } },
    deciding('await new Promise(() => {})'),
  ],
  ['settles in time', /action "post": /, { ...POSTS, limits: { sliceMs: 200, cpuMs: 200 } }, acting('for (;;) {}')],
  ['leaves no timers behind', /1 timer was still waiting/, POSTS, deciding('setTimeout(() => {}, 5_000)')],
  [
    'leaves no timers behind',
    /1 call of ctx or fetch was still going on/,
    { ...POSTS, permissions: { ...OPEN, kv: true } },
    deciding("void ctx.kv.get('a')"),
  ],
  [
    'gives the same keys to the same event',
    /enqueued "post" a second time/,
    POSTS,
    deciding("ctx.enqueue('post', 1, { key: String(Date.now()) })"),
  ],
  [
    'gives the same keys to the same event',
    /\{ key: event\.id \}/,
    POSTS,
    deciding("ctx.enqueue('post', 1, { key: crypto.randomUUID() })"),
  ],
  [
    'gives the same keys to the same event',
    /with the key "k1" \(first: "k0"\)/,
    POSTS,
    `let n = 0\n${deciding("ctx.enqueue('post', 1, { key: `k${n++}` })")}`,
  ],
  [
    'repeats an interrupted action as the same one',
    /was sent again as another one/,
    POSTS,
    acting(SEND.replace('item.delivery.id', 'crypto.randomUUID()')),
  ],
  [
    'repeats an interrupted action as the same one',
    /was not sent again/,
    POSTS,
    acting(`try { await ctx.http({ method: 'POST', url: ${URL_TEXT} }) } catch {}`),
  ],
  [
    'fails with file and line',
    /names no file and line; throw an Error/,
    POSTS,
    acting(`try { await ctx.http({ method: 'POST', url: ${URL_TEXT} }) } catch { throw 'a text' }`),
  ],
]

describe('plugins that do not', () => {
  test.each(PLANTED)('%s: %s', async (row, why, manifest, code) => {
    const said = await conformance(pluginFiles(manifest, code)).then(
      () => 'conforms',
      (error: Error) => error.message,
    )
    const [first = '', ...lines] = said.split('\n✖ ')
    expect([first, lines.map((line) => ROWS.find((name) => line.startsWith(`${name}: `)))]).toEqual([
      'The plugin does not conform.',
      [row],
    ])
    expect(lines[0]).toMatch(why)
  })
})
