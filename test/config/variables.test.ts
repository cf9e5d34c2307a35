/** What came out of a variable may be a secret that ended up in the wrong place: no complaint repeats it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { KnownPlugin } from '../../core/config/config.ts'
import { formatProblem } from '../../core/config/format-problems.ts'
import { loadConfig } from '../../core/config/load.ts'
import { compileWithSchema } from '../../core/registry/with-schema.ts'

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
const plugins = [hello, { id: 'webhooks', checkWith: () => [] }]

async function load(text: string, env: Record<string, string> = {}) {
  const file = join(dir, 'manifold.yaml')
  await writeFile(file, text)
  return loadConfig({ file, env, plugins })
}

async function mistakes(text: string, env: Record<string, string> = {}): Promise<string[]> {
  const result = await load(text, env)
  const problems = 'problems' in result ? result.problems : result.config.quarantined.flatMap((entry) => entry.problems)
  return problems.map((problem) => formatProblem(problem, dir))
}

it('values out of variables are never quoted by a complaint: they may be secrets that ended up in the wrong place', async () => {
  const env = { V: 'sk-leak', LONG: `sk-leak${'x'.repeat(500)}` }
  const one = (rest: string) => `installations:\n  - { id: a, use: hello, ${rest} }\n`
  const cases: readonly [string, string][] = [
    ['forms.f.name', 'forms: { f: { name: "${LONG}", fields: [{ key: a, type: text }] } }\n'],
    ['forms.f.access', 'forms: { f: { name: f, access: "${V}", fields: [{ key: a, type: text }] } }\n'],
    ['forms.f.fields[0].key', 'forms: { f: { name: f, fields: [{ key: "${V} ", type: text }] } }\n'],
    ['forms.f.fields[0].type', 'forms: { f: { name: f, fields: [{ key: a, type: "${V}" }] } }\n'],
    ['network.allow[0]', 'network: { allow: ["${V}"] }\n'],
    ['limits.deliveryConcurrency', 'limits: { deliveryConcurrency: "${V}" }\n'],
    ['limits.deliveryConcurrency', 'limits: { deliveryConcurrency: "${N}" }\n'],
    ['pluginDirs', 'pluginDirs: "${V}"\n'],
    ['installations[0].id', 'installations:\n  - { id: "${V} /", use: hello }\n'],
    ['installations[0].concurrency', one('concurrency: "${V}"')],
    ['installations[0].paused', one('paused: "${V}"')],
    ['installations[0].rate', one('rate: "${V}"')],
    ['installations[0].retry', one('retry: "${V}"')],
    ['installations[0].retry.schedule[0]', one('retry: { schedule: ["${V}"] }')],
    ['installations[0].from', one('from: "${V}"')],
    ['installations[0].pii', one('pii: "${V}"')],
    ['installations[0].with.port', one('with: { url: x, port: "${V}" }')],
    ['installations[0].when.event', one('with: { url: x }, when: { event: "${V}" }')],
    ['installations[0].use', 'installations:\n  - { id: a, use: "${V}" }\n'],
  ]
  for (const [place, text] of cases) {
    const told = await mistakes(text, { ...env, N: '987654321' })
    expect([place, told]).toEqual([place, expect.arrayContaining([expect.stringContaining(` ${place} `)])])
    expect(told.join('\n')).not.toMatch(/sk-leak|987654321/)
  }
})

it('a variable may hold a whole mapping as JSON where the schema wants one: the content of a key file', async () => {
  const schema = compileWithSchema({
    type: 'object',
    required: ['credentials'],
    properties: {
      credentials: {
        type: 'object',
        required: ['user', 'key'],
        properties: { user: { type: 'string' }, key: { type: 'string', format: 'secret' }, port: { type: 'integer' } },
      },
    },
  })
  const known: KnownPlugin = {
    id: 'vendor',
    checkWith: schema.check,
    secretPaths: (settings) => schema.complete(settings).secrets,
  }
  const loaded = async (with_: string, env: Record<string, string> = {}) => {
    const file = join(dir, 'manifold.yaml')
    await writeFile(file, `installations:\n  - { id: a, use: vendor, with: { credentials: ${with_} } }\n`)
    const result = await loadConfig({ file, env, plugins: [known] })
    if ('problems' in result) throw new Error(JSON.stringify(result.problems))
    const [first] = result.config.installations
    const problems = result.config.quarantined.flatMap((entry) => entry.problems)
    return { with: first?.with, problems: problems.map((problem) => formatProblem(problem, dir)) }
  }
  const key = { user: 'bot', key: 'line one\nline two ${V} "quoted"', port: 5, more: { than: ['needed'] } }
  expect(await loaded('"${KEY}"', { KEY: JSON.stringify(key) })).toEqual({ with: { credentials: key }, problems: [] })
  // Pasted into YAML as it is.
  const { key: _withDollar, ...plain } = key
  const pasted = { ...plain, key: 'line one\nline two' }
  expect((await loaded(JSON.stringify(pasted))).with).toEqual({ credentials: pasted })

  for (const [text, at, told] of [
    ['sk-leak', 'credentials', 'must be a mapping (key: value)'],
    ['{"user":"sk-leak"', 'credentials', 'must be a mapping (key: value)'],
    ['["sk-leak"]', 'credentials', 'must be a mapping (key: value)'],
    ['{"user":7,"key":"sk-leak"}', 'credentials.user', 'must be text'],
    ['{"user":"sk-leak"}', 'credentials', '"key" is missing'],
    [`{"user":"a","key":"b","more":${'['.repeat(70)}${']'.repeat(70)}}`, 'credentials', 'must be a mapping'],
  ] as const) {
    const { problems } = await loaded('"${KEY}"', { KEY: text })
    expect(problems.join('\n')).toContain(`installations[0].with.${at}`)
    expect(problems.join('\n')).toContain(told)
    expect(problems.join('\n')).not.toContain('sk-leak')
  }
})
