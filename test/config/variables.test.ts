/** What came out of a variable may be a secret that ended up in the wrong place: no complaint repeats it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { KnownPlugin } from '../../core/config/config.ts'
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
