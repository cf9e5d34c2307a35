/** The test kit with transforms: what authors see of them, and what the conformance suite says of those that do not behave. */
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { transformUnitOf } from '../../core/registry/units.ts'
import { checkPlugin } from '../../core/testing/conformance.ts'
import { testPlugin } from '../../core/testing/index.ts'

const plugin = (transform: string, more: object = {}) => ({
  'plugin.json': JSON.stringify({
    id: 'gate',
    name: 'Gate',
    version: '1.0.0',
    hub: '^1.0',
    main: 'index.js',
    transform: { data: ['data', 'meta'], headers: ['x-from'], whenFails: 'closed', ...more },
    on: { 'response.submitted': { data: ['data'] } },
  }),
  'index.js': `import { definePlugin, flag, keep, reject } from 'manifold/plugin'
export default definePlugin({
  on: { 'response.submitted': (event, ctx) => ctx.log.info('stored ' + event.data.name) },
  transform: ${transform},
})
`,
})
const FORMS = { hello: { name: 'Hello', fields: [{ key: 'name', type: 'text' as const }] } }

test('submit answers what became of it; handlers get what was stored', async () => {
  const files = plugin(`({ data, headers, status }) =>
    data.name === 'spam' ? flag('spam') : data.name === 'no' ? reject('no', 'No.') :
    data.name === 'oops' ? keep({ data: { name: 5 } }) : keep({ data: { name: data.name + '!' }, meta: { from: headers['x-from'], status } })`)
  await using gate = await testPlugin({ files, forms: FORMS })
  const sent = await gate.submit(
    'hello',
    { name: 'Ada' },
    { headers: { 'x-from': 'here', cookie: 'x' }, status: 'partial' },
  )
  expect(sent.response).toMatchObject({
    verdict: null,
    data: { name: 'Ada!' },
    meta: { from: 'here', status: 'partial' },
  })
  await gate.submit('hello', { name: 'Eve' })
  expect(gate.logs().map(({ message }) => message)).toEqual(['stored Eve!'])
  expect((await gate.submit('hello', { name: 'spam' })).response).toMatchObject({ verdict: 'flagged', message: 'spam' })
  expect((await gate.submit('hello', { name: 'no' })).response).toMatchObject({ verdict: 'rejected', code: 'no' })
  const failed = await gate.submit('hello', { name: 'oops' })
  expect(failed).toMatchObject({ eventIds: [], response: { verdict: 'failed', code: 'transform_failed' } })
  expect(failed.response.message).toContain('/data/name must be a text')
  await expect(gate.submit('hello', { name: 5 })).rejects.toThrow(/name/)
})

test('it is loaded as in the hub: under the limits of a transform, and with modules of its own', async () => {
  const files = plugin('() => { seen += 1; return keep({ meta: { seen } }) }')
  files['index.js'] = `let seen = 0\n${files['index.js'].replace("'stored ' + event.data.name", "'seen ' + seen")}`
  await using gate = await testPlugin({ files, forms: FORMS })
  expect((await gate.submit('hello', { name: 'Ada' })).response.meta).toMatchObject({ seen: 1 })
  expect(gate.logs().map(({ message }) => message)).toEqual(['seen 0'])
  const limits = { cpuMs: 500, sliceMs: 100, transformWallMs: 250 }
  const installation = {
    key: 'default/gate',
    plugin: { bundle: {}, manifest: { permissions: {}, actions: {} } },
    config: {},
    limits,
  } as unknown as Installation
  expect(transformUnitOf(installation, { ...LIMITS, pluginTransformCpuMs: 20 }).limits).toEqual({
    ...limits,
    cpuMs: 20,
    sliceMs: 40,
  })
})

describe('conformance', () => {
  const findings = async (files: Record<string, string>, row: string) =>
    (await checkPlugin({ files }, {})).find(({ name }) => name === row)?.findings ?? null

  test.each([
    ['() => {}', []],
    ['() => { throw new Error("no idea") }', [expect.stringContaining('no idea')]],
    ['() => keep({ data: { email: "nobody" } })', [expect.stringContaining('/data/email must be an e-mail address')]],
    ['() => keep({ meta: { transform_failed: [] } })', [expect.stringContaining('transform_failed')]],
    ['() => 5', [expect.stringContaining('keep(), flag() or reject()')]],
    ['() => reject("No spaces", "x")', [expect.stringContaining('code of reject')]],
    [
      '() => { let n = 0; while (n < 3e8) n++; return n > 0 ? undefined : n }',
      // On a machine with other work its time may be over first.
      [expect.stringMatching(/CPU|not over after/)],
    ],
  ])('%s', async (transform, wanted) => {
    expect(await findings(plugin(transform, { whenFails: 'open' }), 'looks at responses')).toEqual(wanted)
  })

  test('what a transform may not use is told by name', async () => {
    const files = plugin('async (_response, ctx) => { await ctx.http({ url: "https://x.example/" }) }')
    expect(await findings(files, 'declares what it uses')).toEqual([
      expect.stringContaining('ctx.http cannot be used in a transform'),
    ])
    const later = plugin('(_response, ctx) => { ctx.enqueue("post", {}) }')
    expect(await findings(later, 'declares what it uses')).toEqual([
      expect.stringContaining('ctx.enqueue cannot be used'),
    ])
  })

  test('manifest and code have a transform both, or neither', async () => {
    const none = plugin('undefined')
    expect(await findings(none, 'manifest and code name the same things')).toEqual([
      expect.stringContaining('plugin.json declares a transform'),
    ])
  })
})
