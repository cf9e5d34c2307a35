/** An update of a plugin that would get at more without asking: it waits, and the version that was granted goes on. */
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Assembly } from '../../core/registry/assemble.ts'
import { planApproval } from '../../core/registry/approve.ts'
import { assemble } from '../../core/registry/assemble.ts'
import { diffGrants, grantsOf } from '../../core/registry/grants.ts'
import { readLock } from '../../core/registry/lock.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { CODE, HELLO, writePlugin } from './plugin-folder.ts'

let temp: TempDir
beforeEach(async () => {
  temp = await tempDir('assemble')
  await writePlugin(temp.file('mine'), 'hello')
})
afterEach(() => temp[Symbol.asyncDispose]())

const file = () => temp.file('manifold.yaml')
const dataDir = () => temp.file('data')
const ONE =
  'pluginDirs: [mine]\ninstallations:\n  - id: one\n    use: hello\n    with: { url: "https://hooks.example:8443/a/b", secret: "${S:-sesame}" }\n'

async function build(
  text = ONE,
  options: { previous?: Assembly; origin?: 'builtin' | 'community' } = {},
): Promise<Assembly> {
  await writeFile(file(), text)
  const result = await assemble({
    file: file(),
    env: {},
    dataDir: dataDir(),
    roots: (dirs) => dirs.map((dir) => ({ dir, origin: options.origin ?? 'community' })),
    ...(options.previous ? { previous: options.previous } : {}),
    nowMs: 0,
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems, null, 1))
  return result
}

describe('an update that would get at more without asking for it', () => {
  const properties = HELLO.config.properties
  const change = (config: object, hosts: readonly string[] = ['@config.url']) => ({
    ...HELLO,
    version: '1.1.0',
    permissions: { http: { hosts, methods: ['POST'] } },
    config: { ...HELLO.config, ...config },
  })

  it('a secret that is not sealed any more waits, and the old version goes on with it sealed', async () => {
    await build()
    const manifest = change({ properties: { ...properties, secret: { type: 'string' } } })
    await writePlugin(temp.file('mine'), 'hello', { manifest })
    const after = await build()
    expect(after.pending).toMatchObject([
      { id: 'hello', version: '1.1.0', running: '1.0.0', diff: '+ read config.secret' },
    ])
    expect(after.installations[0]?.config['secret']).toEqual({ $secret: 'config.secret' })
    const plugin = after.plugins[0]
    if (!plugin) throw new Error('the plugin was not found')
    const plan = await planApproval(dataDir(), plugin)
    expect(plan?.lines).toEqual(['+ read config.secret', '! version: 1.0.0 was granted, 1.1.0 is on disk'])
    await plan?.grant(5)
    expect((await build()).installations[0]?.config['secret']).toBe('sesame')
  })

  it('one more sealed setting needs nobody', async () => {
    await build()
    const manifest = change({ properties: { ...properties, second: { type: 'string', format: 'secret' } } })
    await writePlugin(temp.file('mine'), 'hello', { manifest })
    expect((await build()).pending).toEqual([])
    expect((await readLock(dataDir())).plugins['hello']?.grants).toContain('secret config.second')
  })

  it('a seal that is moved to where it need not apply is a seal lost', () => {
    const grants = (config: object) => grantsOf(manifestSchema.parse(change(config)))
    const sealed = { type: 'string', format: 'secret' }
    const open = { type: 'string' }
    const pairs: readonly [object, object][] = [
      [{ properties: { t: sealed } }, { anyOf: [{}, { properties: { t: sealed } }], properties: { t: open } }],
      [{ properties: { t: sealed } }, { properties: { t: open }, 'x-old': { properties: { t: sealed } } }],
      [
        { properties: {}, additionalProperties: sealed },
        { properties: { t: open }, additionalProperties: sealed },
      ],
      [
        { properties: { l: { type: 'array', items: sealed } } },
        { properties: { l: { type: 'array', prefixItems: [open], items: sealed } } },
      ],
      [
        { properties: { t: { $ref: '#/$defs/a' } }, $defs: { a: sealed, b: open } },
        { properties: { t: { $ref: '#/$defs/b' } }, $defs: { a: sealed, b: open } },
      ],
      [
        { properties: {}, additionalProperties: { $ref: '#/$defs/a' }, $defs: { a: sealed } },
        {
          properties: {},
          additionalProperties: { $ref: '#/$defs/a' },
          $defs: { a: { ...open, default: { x: sealed } } },
        },
      ],
    ]
    for (const [before, after] of pairs) {
      expect(diffGrants(grants(before), grants(before)).added).toEqual([])
      expect(diffGrants(grants(before), grants(after)).added).toEqual([expect.stringMatching(/^read config/)])
    }
    const knot = {
      properties: { t: { $ref: '#/$defs/n' } },
      $defs: { n: { properties: { n: { $ref: '#/$defs/n' }, key: sealed } } },
    }
    expect(grants(knot)).toContain('secret config.t.key')
  })

  it('a default opens no host: it has to be asked for, and another one waits', async () => {
    const endpoint = (host: string) => ({ ...properties, endpoint: { type: 'string', default: `https://${host}/in` } })
    const before = change({ properties: endpoint('good.example') }, ['@config.endpoint', 'good.example'])
    await writePlugin(temp.file('mine'), 'hello', { manifest: before })
    expect((await build()).installations[0]?.http.hosts).toEqual(['good.example'])
    const typed = await build(ONE.replace('with: {', 'with: { endpoint: mine.example,'))
    expect(typed.installations[0]?.http.hosts).toEqual(['mine.example', 'good.example'])
    const quiet = change({ properties: endpoint('evil.example') }, ['@config.endpoint', 'good.example'])
    await writePlugin(temp.file('mine'), 'hello', { manifest: quiet })
    expect((await build()).brokenPlugins[0]?.problems).toEqual([
      expect.stringMatching(
        /plugin\.json#\/config\/properties\/endpoint\/default: the default leads to "evil\.example"/,
      ),
    ])
    const asking = change({ properties: endpoint('evil.example') }, ['@config.endpoint', 'evil.example'])
    await writePlugin(temp.file('mine'), 'hello', { manifest: asking })
    const after = await build()
    expect(after.pending[0]?.diff).toBe('+ http host evil.example\n- http host good.example')
    expect(after.installations[0]?.http.hosts).toEqual(['good.example'])
  })

  it('a default that a composed schema hides from the check opens no host either', async () => {
    const hidden = change(
      {
        allOf: [{ properties: { endpoint: { type: 'string' } } }],
        properties: { ...properties, endpoint: { $ref: '#/$defs/e' } },
        $defs: { e: { type: 'string', default: 'https://evil.example' } },
      },
      ['@config.endpoint', '@config.url'],
    )
    await writePlugin(temp.file('mine'), 'hello', { manifest: hidden })
    const { installations } = await build()
    expect(installations[0]?.http.hosts).toEqual(['hooks.example:8443'])
  })

  it('no wildcard covers what an admin would have to type', () => {
    expect(diffGrants(['http host *.example'], ['http host @config.a.example', 'http host b.example']).added).toEqual([
      'http host @config.a.example',
    ])
  })

  it('other code for the same grants runs at once and is told', async () => {
    const before = await build()
    expect(before.replaced).toEqual([])
    await writePlugin(temp.file('mine'), 'hello', { code: CODE.replace('event.id', '"v2"') })
    const after = await build()
    const hashOf = (assembly: Assembly) => assembly.loaded.get('hello')?.bundle.hash
    expect(after.replaced).toEqual([{ id: 'hello', version: '1.0.0', from: hashOf(before), to: hashOf(after) }])
    expect((await readLock(dataDir())).plugins['hello']?.hash).toBe(hashOf(after))
    expect((await build()).replaced).toEqual([])
  })

  it('a manifest that asked for less does not come back as what it was', async () => {
    const wide = { ...HELLO, permissions: { ...HELLO.permissions, kv: true } }
    await writePlugin(temp.file('mine'), 'hello', { manifest: wide })
    await build()
    await writePlugin(temp.file('mine'), 'hello', { manifest: HELLO })
    await build()
    await writePlugin(temp.file('mine'), 'hello', { manifest: { ...wide, version: '2.0.0' } })
    const after = await build()
    expect(after.pending[0]?.diff).toBe('+ kv')
    expect(after.installations[0]?.plugin.manifest.permissions.kv).toBe(false)
  })
})
