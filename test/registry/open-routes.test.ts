/** Isolates of routes that strangers call: there while somebody asks, gone after a rest, with what they run never cut off. */
import { expect, test } from 'vitest'
import type { Installation } from '../../core/registry/installation.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { OpenRoutes } from '../../core/registry/open-routes.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import { openBench, runOf } from '../sandbox/harness.ts'
import { until } from '../support/wait.ts'

const MINUTE_MS = 60_000
const NAME = 'GET /slow'
const CODE = `import { definePlugin } from 'manifold/plugin'
export default definePlugin({ routes: { '${NAME}': async (_request, ctx) => ({ body: String(await ctx.kv.get('x')) }) } })
`
const request = { method: 'GET', path: '/slow', params: {}, query: {}, headers: {}, body: '' }

test('an isolate goes when nobody has asked for ten minutes, never under a request, and comes back', async () => {
  await using bench = await openBench()
  const clock = createManualClock(0)
  const logger = { warn: () => {} } as never
  const routes = new OpenRoutes({ sandbox: bench.sandbox, logger, clock })
  const { key, bundle, limits, group, hardened } = await bench.unit('asked', CODE)
  const manifest = manifestSchema.parse({
    id: 'asked',
    name: 'Asked',
    version: '1.2.3',
    hub: '^1.0',
    main: 'index.ts',
    permissions: { kv: true },
    routes: { [NAME]: { body: 'text' } },
  })
  const plugin = { manifest, bundle, dir: '/' }
  const installation = { key, hash: 'a', config: {}, limits, group, hardened, plugin } as unknown as Installation
  const loaded = () => bench.sandbox.stats().units.length
  const pass = (minutes: number) => clock.moveTo(clock.nowMs() + minutes * MINUTE_MS)
  const ask = (answer: () => Promise<string>) =>
    routes.run(installation, runOf({ kind: 'route', name: NAME, request } as never, answer))

  await routes.ready(installation)
  expect(await ask(async () => 'one')).toMatchObject({ error: null, value: { body: 'one' } })
  pass(9)
  expect(await ask(async () => 'two')).toMatchObject({ error: null })
  pass(9)
  expect([loaded(), routes.isUp(installation)]).toEqual([1, true])
  let answer = (_: string): void => {}
  const late = ask(() => new Promise((resolve) => (answer = resolve)))
  const other = await ask(async () => 'three')
  expect(other.error).toBeNull()
  pass(11)
  expect([loaded(), routes.isUp(installation)]).toEqual([1, true])
  answer('late')
  expect(await late).toMatchObject({ error: null, value: { body: 'late' } })
  pass(11)
  expect(routes.isUp(installation)).toBe(false)
  await until('its process to end', () => loaded() === 0 && bench.sandbox.stats().children.length === 0)
  await routes.ready(installation)
  expect(await ask(async () => 'four')).toMatchObject({ error: null, value: { body: 'four' } })
  await routes.close()
})
