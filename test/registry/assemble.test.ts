/** From folders and a file to what runs: settings sealed, hosts exact, the lock kept, and a plugin that wants more waiting. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newlyBroken } from '../../core/config/watch.ts'
import type { Assembly } from '../../core/registry/assemble.ts'
import { planApproval } from '../../core/registry/approve.ts'
import { assemble } from '../../core/registry/assemble.ts'
import { grantsOf } from '../../core/registry/grants.ts'
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

it('two at the same time do not disturb each other: a command may look while the hub loads', async () => {
  await writeFile(file(), ONE)
  const one = async (record: boolean) => {
    const roots = (dirs: readonly string[]) => dirs.map((dir) => ({ dir, origin: 'community' as const }))
    const result = await assemble({ file: file(), env: {}, dataDir: dataDir(), roots, record, nowMs: 0 })
    return 'problems' in result ? result.problems : result.brokenInstallations
  }
  for (let round = 0; round < 10; round++) {
    await writePlugin(temp.file('mine'), 'hello', { code: `${CODE}console.log(${round})\n` })
    expect(await Promise.all([one(true), one(false), one(false)])).toEqual([[], [], []])
  }
})

describe('resolving', () => {
  it('seals secrets, fills in defaults, and turns @config.url into exactly the host that was typed', async () => {
    const { installations } = await build()
    const [one] = installations
    expect(one).toMatchObject({
      key: 'default/one',
      config: { url: 'https://hooks.example:8443/a/b', secret: { $secret: 'config.secret' }, port: 8 },
      http: { hosts: ['hooks.example:8443'], methods: ['POST'] },
      group: 'community',
      limits: { heapMb: 32, httpCallsMax: 20 },
      retry: { delaysMs: [1000, 5000, 30000, 300000, 1800000] },
    })
    expect([...(one?.secrets ?? [])]).toEqual([['config.secret', 'sesame']])
    expect(JSON.stringify(one?.config)).not.toContain('sesame')
    expect(one?.plugin.bundle.code).toContain('response.submitted')
  })

  it('a process alone and hardened: the file has the last word, then its group, then the wish of the plugin', async () => {
    const of = async (more: string, head = '') => {
      const { installations } = await build(`${head}${ONE.trimEnd()}\n${more}`)
      const { group, hardened, hash } = installations[0] ?? { group: null, hardened: null, hash: '' }
      return { group, hardened, hash }
    }
    const usual = await of('')
    expect(usual).toMatchObject({ group: 'community', hardened: false })
    const own = await of('    isolation: own\n    hardened: true\n')
    expect(own).toMatchObject({ group: 'own', hardened: true })
    expect(own.hash).not.toBe(usual.hash)
    const group = 'sandbox: { hardened: [community] }\n'
    expect(await of('', group)).toMatchObject({ hardened: true })
    expect(await of('    hardened: false\n', group)).toMatchObject({ hardened: false })
    expect(await of('', 'sandbox: { hardened: [builtin] }\n')).toMatchObject({ hardened: false })
    await writePlugin(temp.file('mine'), 'hello', { manifest: { ...HELLO, isolation: 'own', hardened: true } })
    expect(await of('')).toMatchObject({ group: 'own', hardened: true })
    expect(await of('    isolation: shared\n    hardened: false\n')).toMatchObject({
      group: 'community',
      hardened: false,
    })
  })

  it('a setting that says where to send must be a host, also when it is secret or in a list', async () => {
    const manifest = {
      ...HELLO,
      permissions: { http: { hosts: ['@config.hook', '@config.more.to', 'API.example.com'] } },
      config: {
        type: 'object',
        properties: {
          hook: { type: 'string', format: 'secret' },
          more: { type: 'array', items: { type: 'object', properties: { to: { type: 'string' } } } },
        },
      },
    }
    await writePlugin(temp.file('mine'), 'hello', { manifest })
    const text = (settings: string) =>
      `pluginDirs: [mine]\ninstallations:\n  - { id: one, use: hello, with: ${settings} }\n`
    const good = await build(
      text('{ hook: "http://a.example/s3cret", more: [ { to: b.example }, { to: "https://c.example:444" } ] }'),
    )
    expect(good.installations[0]?.http.hosts).toEqual(['a.example', 'b.example', 'c.example:444', 'api.example.com'])
    const bad = await build(text('{ hook: "not a host" }'))
    expect(bad.brokenInstallations[0]).toMatchObject({
      id: 'one',
      state: 'invalid',
      reason: expect.stringContaining('with.hook: must be a URL or a host'),
    })
    expect(bad.brokenInstallations[0]?.reason).not.toContain('not a host')
  })

  it('the hash changes with settings, secrets, plugin.json and code, and with nothing else', async () => {
    const first = (await build()).installations[0]?.hash
    expect((await build()).installations[0]?.hash).toBe(first)
    const secret = (await build(ONE.replace('sesame', 'other'))).installations[0]?.hash
    const setting = (await build(ONE.replace('/a/b', '/c'))).installations[0]?.hash
    await writePlugin(temp.file('mine'), 'hello', { code: CODE.replace('event.id', 'event.at') })
    const code = (await build()).installations[0]?.hash
    await writePlugin(temp.file('mine'), 'hello', { manifest: { ...HELLO, actions: { post: {}, again: {} } } })
    const declared = (await build()).installations[0]?.hash
    expect(new Set([first, secret, setting, code, declared]).size).toBe(5)
  })

  it('broken parts are listed with their reason, and the others run', async () => {
    await writePlugin(temp.file('mine'), 'syntax', { code: 'export default {' })
    await writePlugin(temp.file('mine'), 'manifest', { manifest: '{' })
    await writePlugin(temp.file('mine'), 'schema', {
      manifest: { ...HELLO, id: 'schema', config: { type: 'object', properties: { url: { typ: 'string' } } } },
    })
    const assembly = await build(
      `${ONE}  - { id: a, use: syntax, with: { url: "http://a" } }\n  - { id: b, use: manifest }\n  - { id: c, use: schema }\n  - { id: d, use: hello, with: { url: 7, extra: 1 } }\n  - { id: e, use: hello, when: { event: response.submited }, with: { url: "http://a" } }\n`,
    )
    expect(assembly.installations.map(({ id }) => id)).toEqual(['one'])
    const reasons = Object.fromEntries(assembly.brokenInstallations.map(({ id, reason }) => [id, reason]))
    expect(reasons['a']).toMatch(/^syntax\/index\.ts:1:17: \S/)
    // The place is that of the mistake, not the line of manifold.yaml that uses the plugin.
    expect(assembly.config.quarantined.find(({ id }) => id === 'a')?.problems).toEqual([
      {
        place: { file: temp.file('mine/syntax/index.ts'), line: 1, column: 17 },
        path: 'of the plugin "syntax", used by installation "a":',
        message: expect.stringMatching(/end of file/),
        hint: null,
        source: { plugin: 'syntax', lineText: 'export default {' },
      },
    ])
    expect(reasons['b']).toMatch(/line 7, use: the plugin "manifest" is broken: .*plugin\.json: is not valid JSON/)
    expect(reasons['c']).toMatch(/line 8, with: the plugin's "config" in plugin\.json is no usable JSON Schema: .*typ/)
    expect(reasons['d']).toBe(
      'line 9, with.extra: unknown setting "extra" (known here: url, secret, port); line 9, with.url: must be text (got 7)',
    )
    expect(reasons['e']).toBe(
      'line 10, when.event: the plugin "hello" does not handle "response.submited" (did you mean "response.submitted"?)',
    )
  })

  it('a reason quotes neither what came from a variable nor what is a secret', async () => {
    const config = {
      type: 'object',
      properties: {
        port: { type: 'integer' },
        kind: { enum: ['alpha', 'beta'] },
        token: { anyOf: [{ type: 'string', format: 'secret', maxLength: 3 }, { type: 'null' }] },
        plain: { type: 'string', maxLength: 3 },
      },
    }
    await writePlugin(temp.file('mine'), 'hello', { manifest: { ...HELLO, permissions: {}, config } })
    const settings = '{ port: "${A:-sk-one}", kind: "${B:-alpah}", token: sk-three, plain: shown }'
    const { brokenInstallations } = await build(
      `pluginDirs: [mine]\ninstallations:\n  - { id: one, use: hello, with: ${settings} }\n`,
    )
    const reason = brokenInstallations[0]?.reason ?? ''
    for (const name of ['with.port', 'with.kind', 'with.token', 'with.plain']) expect(reason).toContain(name)
    expect(reason).toContain('(got "shown")')
    expect(reason).not.toMatch(/sk-|alpah|did you mean/)
  })

  it('what one that is set aside says of responses holds all the same, wherever it can be read', async () => {
    const transform = { data: ['data'], on: ['completed'], whenFails: 'open' }
    await writePlugin(temp.file('mine'), 'hello', { manifest: { ...HELLO, transform } })
    await writePlugin(temp.file('mine'), 'plain')
    const wrong = (id: string, more: string) => `  - { id: ${id}, use: hello, with: { url: 7 }, ${more} }\n`
    const lines = [
      wrong('plain', 'concurrency: 2'),
      wrong('narrow', 'when: { form: contact }, whenFails: closed'),
      wrong('lists', 'when: { form: [contact, other] }'),
      `  - { id: typo, use: helo, whenFails: closed }\n`,
      `  - { id: silent, use: helo }\n`,
      `  - { id: mistaken, use: plain, with: { url: "http://a" }, whenFails: closed }\n`,
    ].join('')
    const said = async () => {
      const { brokenInstallations } = await build(`pluginDirs: [mine]\ninstallations:\n${lines}`)
      return brokenInstallations.map(({ id, forms, transform: its }) => [id, forms, its?.on ?? null, its?.whenFails])
    }
    const on = ['completed']
    const known = [
      ['plain', null, on, 'open'],
      ['narrow', ['contact'], on, 'closed'],
      ['lists', ['contact', 'other'], on, 'open'],
      ['typo', null, ['completed', 'partial'], 'closed'],
      ['silent', null, null, undefined],
      ['mistaken', null, null, undefined],
    ]
    expect(await said()).toEqual(known)
    await build(ONE)
    await writePlugin(temp.file('mine'), 'hello', { manifest: '{,' })
    // As it was granted, when nobody can read what is on disk.
    expect(await said()).toEqual(known)
  })

  it('what was fine and is broken at a reload is told, so that the old keeps running whole', async () => {
    const before = await build()
    await writePlugin(temp.file('mine'), 'hello', { code: 'export default {' })
    const after = await build(ONE, { previous: before })
    expect(newlyBroken(before.config, after.config).map(({ message }) => message)).toEqual([
      expect.stringContaining('end of file'),
    ])
    expect(newlyBroken(after.config, after.config)).toEqual([])
  })
})

describe('the bundle cache', () => {
  it('is used while nothing changed, and never when it was touched', async () => {
    await build()
    const cached = await cacheFiles()
    expect(cached).toHaveLength(1)
    const kept = join(dataDir(), 'cache/bundles', cached[0] as string)
    const text = await readFile(kept, 'utf8')
    await writeFile(kept, text.replace('response.submitted', 'response.submittee'))
    const again = await build()
    expect(again.installations[0]?.plugin.bundle.code).toContain('response.submitted')
    expect(await readFile(kept, 'utf8')).toBe(text)
    await writePlugin(temp.file('mine'), 'hello', { code: `${CODE}\n// more\n` })
    await build()
    expect(await cacheFiles()).toHaveLength(2)
  })

  const cacheFiles = async () =>
    (await import('node:fs/promises'))
      .readdir(join(dataDir(), 'cache/bundles'))
      .then((names) => names.filter((name) => name.endsWith('.json')))
})

describe('the lock', () => {
  const wider = {
    ...HELLO,
    version: '2.0.0',
    permissions: { http: { hosts: ['@config.url', 'evil.example'], methods: ['POST'] }, kv: true },
  }

  it('records what was granted at first use', async () => {
    const assembly = await build()
    const lock = await readLock(dataDir())
    expect(lock.plugins['hello']).toEqual({
      version: '1.0.0',
      hash: assembly.loaded.get('hello')?.bundle.hash,
      files: expect.stringMatching(/^[0-9a-f]{64}$/),
      grants: [
        'event response.submitted',
        'event response.submitted: data',
        'http host @config.url',
        'http method POST',
        'secret config.secret',
      ],
      grantedAt: '1970-01-01T00:00:00.000Z',
    })
  })

  it('a version that asks for more waits, and the old one runs on: at a reload and after a restart', async () => {
    const before = await build()
    await writePlugin(temp.file('mine'), 'hello', { manifest: wider, code: CODE.replace('event.id', '"v2"') })
    for (const options of [{ previous: before }, {}]) {
      const after = await build(ONE, options)
      expect(after.pending).toMatchObject([
        { id: 'hello', version: '2.0.0', running: '1.0.0', diff: '+ http host evil.example\n+ kv' },
      ])
      expect(after.installations[0]?.plugin.manifest.version).toBe('1.0.0')
      expect(after.installations[0]?.plugin.bundle.code).not.toContain('v2')
      expect(after.installations[0]?.hash).toBe(before.installations[0]?.hash)
    }
    expect((await readLock(dataDir())).plugins['hello']?.version).toBe('1.0.0')
  })

  it('without the old one its installations stand still, until it is approved', async () => {
    await build()
    await writePlugin(temp.file('mine'), 'hello', { manifest: wider })
    await rm(join(dataDir(), 'cache'), { recursive: true })
    const waiting = await build()
    expect(waiting.installations).toEqual([])
    expect(waiting.brokenInstallations).toEqual([
      {
        workspace: 'default',
        id: 'one',
        use: 'hello',
        state: 'needs-approval',
        forms: null,
        transform: null,
        reason:
          'hello 2.0.0 asks for more than was granted: + http host evil.example, + kv. Read it and run: manifold plugin approve hello',
      },
    ])
    const plugin = waiting.plugins[0]
    if (!plugin) throw new Error('the plugin was not found')
    const plan = await planApproval(dataDir(), plugin)
    expect(plan?.lines).toEqual(['+ http host evil.example', '+ kv', '! version: 1.0.0 was granted, 2.0.0 is on disk'])
    await plan?.grant(5)
    expect(await planApproval(dataDir(), plugin)).toBeNull()
    const approved = await build()
    expect(approved.pending).toEqual([])
    expect(approved.installations[0]?.plugin.manifest.version).toBe('2.0.0')
  })

  it('less, or what a wildcard covered already, needs nobody', async () => {
    const wild = { ...HELLO, permissions: { http: { hosts: ['*.example.com'], methods: ['POST', 'GET'] } } }
    await writePlugin(temp.file('mine'), 'hello', { manifest: wild })
    await build()
    await writePlugin(temp.file('mine'), 'hello', {
      manifest: { ...wild, version: '1.1.0', permissions: { http: { hosts: ['api.example.com'], methods: ['POST'] } } },
    })
    expect((await build()).pending).toEqual([])
    expect((await readLock(dataDir())).plugins['hello']).toMatchObject({
      version: '1.1.0',
      grants: expect.arrayContaining(['http host api.example.com']),
    })
  })

  it('built-ins are approved by being built in', async () => {
    await build(ONE, { origin: 'builtin' })
    await writePlugin(temp.file('mine'), 'hello', { manifest: wider })
    const after = await build(ONE, { origin: 'builtin' })
    expect([after.pending, after.installations[0]?.plugin.manifest.version]).toEqual([[], '2.0.0'])
  })

  it('a damaged lock stops everything instead of granting anew', async () => {
    await build()
    await writeFile(join(dataDir(), 'manifold.lock.json'), '{"version":1,"plugins":{"hello":{}}')
    await expect(build()).rejects.toThrow(/manifold\.lock\.json is damaged/)
  })

  it('every kind of grant has its line', () => {
    const manifest = manifestSchema.parse({
      ...HELLO,
      routes: { 'POST /x': {} },
      actions: { post: { data: ['data'] } },
      permissions: { kv: true, responses: true, emit: true },
    })
    expect(grantsOf(manifest)).toEqual([
      'action post: data',
      'emit',
      'event response.submitted',
      'event response.submitted: data',
      'kv',
      'responses',
      'route POST /x',
      'secret config.secret',
    ])
  })
})
