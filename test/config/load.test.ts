/** Every kind of mistake in manifold.yaml, each told with its exact line, column, path and way out. */
import { mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HubConfig, KnownPlugin } from '../../core/config/config.ts'
import { formatProblem } from '../../core/config/format-problems.ts'
import { loadConfig } from '../../core/config/load.ts'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'manifold-config-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const hello: KnownPlugin = {
  id: 'hello',
  events: ['response.submitted'],
  checkWith: (value) => [
    ...(typeof value['port'] === 'string'
      ? [{ path: ['port'], message: 'must be a number', hint: null, wants: 'number' as const }]
      : []),
    ...(value['url'] === undefined ? [{ path: [], message: '"url" is missing', hint: null }] : []),
  ],
}
const plugins = [
  { ...hello, settings: ['url', 'port'] },
  { id: 'webhooks', checkWith: () => [] },
]

async function load(text: string, env: Record<string, string> = {}) {
  const file = join(dir, 'manifold.yaml')
  await writeFile(file, text)
  return loadConfig({ file, env, plugins })
}

async function good(text: string, env: Record<string, string> = {}): Promise<HubConfig> {
  const result = await load(text, env)
  if ('problems' in result) throw new Error(result.problems.map((problem) => formatProblem(problem, dir)).join('\n'))
  return result.config
}

async function mistakes(text: string, env: Record<string, string> = {}): Promise<string[]> {
  const result = await load(text, env)
  const problems = 'problems' in result ? result.problems : result.config.quarantined.flatMap((entry) => entry.problems)
  return problems.map((problem) => formatProblem(problem, dir))
}

const INSTALLATION = 'installations:\n  - id: a\n    use: webhooks\n'

describe('mistakes of structure refuse the file', () => {
  const cases: readonly [string, string, string[]][] = [
    [
      'mistakes of every kind, all at once',
      `form: 1\nforms:\n  x: { name: X, fields: [{ key: a, type: text }, { key: a, type: text }] }\nnetwork: { allow: [10.0.0.1] }\n${INSTALLATION}  - id: a\n    use: webhoks\n`,
      [
        'manifold.yaml:1:1 form unknown key "form" → did you mean "forms"?',
        'manifold.yaml:3:57 forms.x.fields[1].key "a" is the key of field 1 already; keys must differ',
        'manifold.yaml:4:20 network.allow[0] must be a range of addresses in CIDR notation (got "10.0.0.1") → write 10.0.0.1/32',
        'manifold.yaml:8:9 installations[1].id the id "a" is taken (line 6) → give each installation its own id',
        'manifold.yaml:9:10 installations[1].use there is no plugin "webhoks" → did you mean "webhooks"?',
      ],
    ],
    [
      'unknown key inside',
      `${INSTALLATION}    pausd: true\n`,
      ['manifold.yaml:4:5 installations[0].pausd unknown key "pausd" → did you mean "paused"?'],
    ],
    [
      'text where a boolean belongs',
      `${INSTALLATION}    paused: yes\n`,
      [
        'manifold.yaml:4:13 installations[0].paused must be true or false (got "yes") → use true: YAML 1.2 reads this as text',
      ],
    ],
    [
      'off is text too',
      'forms:\n  f: { name: F, fields: [ { key: a, type: text, required: off } ] }\n',
      [
        'manifold.yaml:2:59 forms.f.fields[0].required must be true or false (got "off") → use false: YAML 1.2 reads this as text',
      ],
    ],
    [
      'number where text belongs',
      'forms:\n  f:\n    name: 12\n    fields: []\n',
      ['manifold.yaml:3:11 forms.f.name must be text (got 12) → put it in quotes: "12"'],
    ],
    [
      'missing key',
      'installations:\n  - id: a\n',
      ['manifold.yaml:2:5 installations[0].use "use" is missing → it must be text'],
    ],
    [
      'wrong choice',
      'forms:\n  f: { name: F, fields: [ { key: a, type: emial } ] }\n',
      [
        'manifold.yaml:2:43 forms.f.fields[0].type must be "text" or "long_text" or "email" or "number" or "boolean" or "date" or "datetime" or "select" or "multi_select" or "radio" or "rating" or "file" or "hidden" (got "emial") → did you mean "email"?',
      ],
    ],
    [
      'bad id',
      'forms:\n  Contact Us: { name: F, fields: [] }\n',
      [
        'manifold.yaml:2:3 forms["Contact Us"] "Contact Us" is no valid key: must be lower-case letters, digits, "-" and "_", starting with a letter or digit (at most 64)',
      ],
    ],
    [
      'the same id twice',
      `${INSTALLATION}  - id: a\n    use: webhooks\n`,
      ['manifold.yaml:4:9 installations[1].id the id "a" is taken (line 2) → give each installation its own id'],
    ],
    [
      'the same key twice',
      'version: 1\nforms: {}\nversion: 1\n',
      ['manifold.yaml:3:1 the same key is written twice → keep one of the two'],
    ],
    [
      'bad duration',
      `${INSTALLATION}    retry: { schedule: [1s, 5 minutes] }\n`,
      [
        'manifold.yaml:4:29 installations[0].retry.schedule[1] must be a duration such as 500ms, 1s, 5m, 2h or 1d (got "5 minutes")',
      ],
    ],
    [
      'bad preset',
      `${INSTALLATION}    retry: { preset: standart }\n`,
      [
        'manifold.yaml:4:22 installations[0].retry.preset must be "default" or "standard" (got "standart") → did you mean "standard"?',
      ],
    ],
    [
      'unknown key in a choice of shapes',
      `${INSTALLATION}    retry: { shedule: [1s] }\n`,
      ['manifold.yaml:4:14 installations[0].retry.shedule unknown key "shedule" → did you mean "schedule"?'],
    ],
    [
      'bad rate',
      `${INSTALLATION}    rate: fast\n`,
      ['manifold.yaml:4:11 installations[0].rate must be a rate such as 10/s, 600/m or 1000/h (got "fast")'],
    ],
    [
      'out of bounds',
      'limits: { deliveryConcurrency: 0 }\n',
      ['manifold.yaml:1:32 limits.deliveryConcurrency must be at least 1 (got 0)'],
    ],
    [
      'a limit that is not for the file',
      'limits: { jsonDepthMax: 100 }\n',
      ['manifold.yaml:1:11 limits.jsonDepthMax unknown key "jsonDepthMax"'],
    ],
    [
      'an address that is no range',
      'network: { allow: [ 10.0.0.1 ] }\n',
      [
        'manifold.yaml:1:21 network.allow[0] must be a range of addresses in CIDR notation (got "10.0.0.1") → write 10.0.0.1/32',
      ],
    ],
    ['another version', 'version: 2\n', ['manifold.yaml:1:10 version must be 1 (got 2)']],
    ['a list at the top', '- a\n', ['manifold.yaml:1:1 must be a mapping (key: value) (got a list of 1)']],
    [
      'nothing at all',
      '# only a comment\n',
      ['manifold.yaml:1:1 the file is empty → write at least "version: 1"; `manifold init` makes a commented example'],
    ],
    [
      'what the API would refuse in a form',
      'forms:\n  f:\n    name: F\n    fields:\n      - { key: a, type: select }\n      - { key: a, type: text, options: [x] }\n',
      [
        'manifold.yaml:5:9 forms.f.fields[0].options a select field needs at least one option',
        'manifold.yaml:6:16 forms.f.fields[1].key "a" is the key of field 1 already; keys must differ',
        'manifold.yaml:6:40 forms.f.fields[1].options only select, multi_select and radio have options, not text',
      ],
    ],
    [
      'a variable in a form',
      'forms:\n  f: { name: "${NAME}", fields: [] }\n',
      [
        'manifold.yaml:2:14 forms.f.name environment variable NAME is not set → set NAME before the hub starts, or give a default: ${NAME:-...}',
      ],
    ],
    [
      '__proto__',
      'forms:\n  __proto__: { name: F, fields: [] }\n',
      ['manifold.yaml:2:3 forms.__proto__ "__proto__" cannot be a key here → choose another name'],
    ],
  ]
  it.each(cases)('%s', async (_name, text, expected) => {
    const result = await load(text)
    expect('problems' in result, 'the file must be refused').toBe(true)
    expect(await mistakes(text)).toEqual(expected)
  })

  it('unclosed bracket, tab and bad indentation each name their line', async () => {
    expect((await mistakes('forms: {}\ninstallations: [\n'))[0]).toMatch(/^manifold\.yaml:3:1 /)
    expect((await mistakes('forms:\n\tx: 1\n'))[0]).toMatch(/^manifold\.yaml:2:1 .*tab/)
    expect((await mistakes('forms:\n  a: 1\n   b: 2\n'))[0]).toMatch(/^manifold\.yaml:(2|3):/)
  })

  it('all at once, in the order of the file, those of single installations too', async () => {
    const text = 'forms:\n  f: { fieldz: [] }\ninstallations:\n  - id: a\n    use: webhoks\n    paused: no\n'
    expect(await mistakes(text)).toEqual([
      'manifold.yaml:2:3 forms.f.name "name" is missing → it must be text',
      'manifold.yaml:2:8 forms.f.fieldz unknown key "fieldz" → did you mean "fields"?',
      'manifold.yaml:5:10 installations[0].use there is no plugin "webhoks" → did you mean "webhooks"?',
      'manifold.yaml:6:13 installations[0].paused must be true or false (got "no") → use false: YAML 1.2 reads this as text',
    ])
  })

  it('alias bombs and circles are refused without being unfolded', async () => {
    const levels = Array.from(
      { length: 30 },
      (_, n) => `  a${n + 1}: &a${n + 1} [*a${n}, *a${n}, *a${n}, *a${n}, *a${n}, *a${n}, *a${n}, *a${n}]`,
    )
    const bomb = `forms:\n  a0: &a0 [x]\n${levels.join('\n')}\n`
    expect((await mistakes(bomb))[0]).toMatch(/^manifold\.yaml:\d+:\d+ .*aliases/)
    expect((await mistakes('forms: &f\n  a: *f\n'))[0]).toMatch(
      /nested more than 64 levels deep → an alias must not stand inside what it names/,
    )
    const many = `forms:\n  f: { name: &n F, fields: [${'*n,'.repeat(201)}] }\n`
    expect((await mistakes(many))[0]).toBe(
      'manifold.yaml:2:629 forms.f.fields[200] the file has more than 200 aliases → write the values out',
    )
    expect((await mistakes('forms: *nowhere\n'))[0]).toMatch(/manifold\.yaml:1:8 .*nowhere/)
  })

  it('a file that cannot be read says why', async () => {
    const problemsOf = async (file: string) => {
      const result = await loadConfig({ file, env: {}, plugins })
      return 'problems' in result ? result.problems.map((problem) => problem.message) : []
    }
    await symlink(join(dir, 'loop-b'), join(dir, 'loop-a'))
    await symlink(join(dir, 'loop-a'), join(dir, 'loop-b'))
    await writeFile(join(dir, 'latin1.yaml'), Buffer.from([0x66, 0xff, 0x0a]))
    await writeFile(join(dir, 'huge.yaml'), `# ${'x'.repeat(2_097_152)}\n`)
    expect(await problemsOf(join(dir, 'none.yaml'))).toEqual(['there is no such file'])
    expect(await problemsOf(join(dir, 'loop-a'))).toEqual(['is a symbolic link that leads back to itself'])
    expect(await problemsOf(dir)).toEqual(['is not a file'])
    expect(await problemsOf(join(dir, 'latin1.yaml'))).toEqual(['is not UTF-8 text'])
    expect(await problemsOf(join(dir, 'huge.yaml'))).toEqual(['is larger than 2097152 bytes'])
  })

  it('plugin folders that are missing, files or link loops', async () => {
    await mkdir(join(dir, 'mine'), { recursive: true })
    expect((await good('pluginDirs: [mine]\n')).pluginDirs).toEqual([join(dir, 'mine')])
    expect(await mistakes('pluginDirs: [mine, nowhere]\n')).toEqual([
      `manifold.yaml:1:20 pluginDirs[1] ${join(dir, 'nowhere')}: there is no such folder → make the folder, or leave the line out`,
    ])
    expect((await mistakes('pluginDirs: [manifold.yaml]\n'))[0]).toContain('is not a folder')
  })

  it('more values than the limit are refused', async () => {
    const text = `forms:\n  f: { name: F, fields: [${'a,'.repeat(100_001)}] }\n`
    expect((await mistakes(text))[0]).toContain('the file has more than 100000 values')
  })
})

describe('mistakes inside an installation set only that one aside', () => {
  it('unknown plugin, settings, filter, missing variable', async () => {
    const text = `installations:
  - id: fine
    use: webhooks
  - id: no-plugin
    use: helo
  - id: bad-settings
    use: hello
    with:
      port: 1
  - id: bad-filter
    use: webhooks
    when:
      filter: { "data.budget": { $gt: 1, $between: [1, 2] } }
  - id: no-secret
    use: webhooks
    with:
      url: "\${CRM_URL:?ask the CRM team}"
`
    const config = await good(text)
    expect(config.installations.map((entry) => entry.id)).toEqual(['fine'])
    expect(config.quarantined.map((entry) => entry.id)).toEqual([
      'no-plugin',
      'bad-settings',
      'bad-filter',
      'no-secret',
    ])
    const told = config.quarantined.flatMap((entry) => entry.problems.map((problem) => formatProblem(problem, dir)))
    expect(told[0]).toBe('manifold.yaml:5:10 installations[1].use there is no plugin "helo" → did you mean "hello"?')
    expect(told[1]).toBe('manifold.yaml:8:5 installations[2].with "url" is missing')
    expect(told[2]).toMatch(
      /^manifold\.yaml:13:42 installations\[3\]\.when\.filter\["data\.budget"\]\.\$between .*\$between/,
    )
    expect(told[3]).toBe(
      'manifold.yaml:17:12 installations[4].with.url environment variable CRM_URL is not set: ask the CRM team → set CRM_URL before the hub starts',
    )
  })
})

describe('variables', () => {
  it('are expanded in values only, and never become structure', async () => {
    const config = await good(
      'installations:\n  - id: a\n    use: hello\n    with:\n      url: "${URL}"\n      "${KEY}": "${DEFAULT:-dflt} ${EMPTY:-e} $$5 $x {{data.email}}"\n      nested: ["${EVIL}"]\n      plain: ${URL}\n',
      { URL: 'http://x', EVIL: 'a: {b: [1]}\n- c', EMPTY: '', KEY: 'never' },
    )
    expect(config.installations[0]?.with).toEqual({
      url: 'http://x',
      '${KEY}': 'dflt e $5 $x {{data.email}}',
      nested: ['a: {b: [1]}\n- c'],
      plain: 'http://x',
    })
  })

  it('become numbers and booleans only where one is wanted', async () => {
    const config = await good(
      'installations:\n  - id: a\n    use: hello\n    concurrency: ${N}\n    paused: ${P:-true}\n    with: { url: "${ID}", port: "${PORT}" }\n',
      { N: '7', ID: '007', PORT: '8080' },
    )
    expect(config.installations[0]).toMatchObject({ concurrency: 7, paused: true, with: { url: '007', port: 8080 } })
    expect(
      (
        await mistakes('installations:\n  - id: a\n    use: hello\n    concurrency: ${N}\n    with: { url: x }\n', {
          N: '7; rm',
        })
      )[0],
    ).toMatch(/concurrency must be a number$/)
  })

  it('that are malformed say how to write them', async () => {
    expect(await mistakes('forms: { f: { name: "${A B}", fields: [] } }\n')).toEqual([
      'manifold.yaml:1:21 forms.f.name "${A B}" is not a variable reference → write ${NAME}, ${NAME:-default}, ${NAME:?message}, or "$$" for a plain dollar sign',
    ])
    expect((await mistakes('forms: { f: { name: "${A", fields: [] } }\n'))[0]).toContain('"${" has no closing "}"')
  })
})

describe('a good file', () => {
  it('gets its defaults and is frozen', async () => {
    const config = await good(`
version: 1
forms:
  contact:
    name: Contact us
    fields:
      - { key: email, type: email, required: true, pii: true }
      - { key: size, type: select, options: [S, { value: m, label: Medium }] }
installations:
  - id: sales
    use: webhooks
    when: { form: contact, event: [response.submitted], filter: { data.budget: { $gte: 1000 } } }
    retry: { schedule: [1s, 500ms, 2h] }
    rate: 600/m
    from: 2026-01-31T00:00:00+01:00
limits: { deliveryConcurrency: 4 }
`)
    expect(config.forms[0]).toMatchObject({
      id: 'contact',
      workspace: 'default',
      place: { line: 4, column: 3 },
      definition: {
        access: 'public',
        unknownFields: 'keep',
        redirectUrl: null,
        fields: [
          { key: 'email', label: 'email', required: true, pii: true, options: [] },
          {
            key: 'size',
            required: false,
            options: [
              { value: 'S', label: 'S' },
              { value: 'm', label: 'Medium' },
            ],
          },
        ],
      },
    })
    expect(config.installations[0]).toMatchObject({
      retry: { delaysMs: [1000, 500, 7_200_000] },
      ratePerSecond: 10,
      concurrency: null,
      from: '2026-01-30T23:00:00.000Z',
      order: 'none',
      ambiguous: 'retry',
      pii: false,
    })
    expect(config.limits.deliveryConcurrency).toBe(4)
    expect(config.limits.jsonDepthMax).toBe(32)
    expect(Object.isFrozen(config.installations[0]?.with)).toBe(true)
  })

  it('the standard preset takes about 75 hours', async () => {
    const config = await good(`${INSTALLATION}    retry: { preset: standard }\n`)
    const totalMs = config.installations[0]?.retry.delaysMs.reduce((sum, delayMs) => sum + delayMs, 0) ?? 0
    expect(totalMs / 3_600_000).toBeCloseTo(75.58, 1)
  })

  it('empty sections and no file at all are fine', async () => {
    expect((await good('version: 1\nforms:\ninstallations:\n')).forms).toEqual([])
    const none = await loadConfig({ file: null, env: {}, plugins })
    expect('config' in none && none.config.installations).toEqual([])
  })
})
