/** A route while the code of its installation is swapped: it waits for the new one, and never meets the old. */
import { expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { openRouteCall } from '../../core/registry/route-call.ts'
import type { RouteCallDeps } from '../../core/registry/route-call.ts'
import type { RunEnd } from '../../core/runs/record.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import { LIMITS } from '../../core/limits.ts'
import { sleep } from '../support/wait.ts'

const request = { method: 'GET', path: '/new', query: {}, headers: {}, bytes: '' }
const ASKED = {
  workspace: 'default',
  area: null as string | null,
  installation: 'one',
  requestId: null as string | null,
  seesErrors: false,
  request,
}

/** An installation whose new manifest has the route; what is loaded is the test's to say. */
function world() {
  const clock = createManualClock(0)
  const is = {
    up: false,
    state: 'ready',
    runs: 0,
    hash: 'old',
    opened: [] as string[],
    noted: [] as object[],
    answer: { body: 'new' } as object,
    error: null as HubError | null,
    /** How many runs end through no fault of their own before one is through. */
    interruptions: 0,
    mayHaveLeft: false,
    recorded: [] as (string | undefined)[],
    failed: [] as string[],
    api: {},
    logs: [] as object[],
    hasProven: false,
  }
  let load = (): void => {}
  const loading = new Promise<void>((resolve) => {
    load = () => {
      is.up = true
      resolve()
    }
  })
  const manifest = { id: 'p', routes: { 'GET /new': { body: 'text' } }, permissions: { submit: true } }
  const of = (hash: string) => ({
    id: 'one',
    key: 'default/one',
    hash,
    plugin: { manifest: { ...manifest, api: is.api } },
    limits: { routeWallMs: 5_000 },
  })
  const result = {
    error: null,
    value: { body: 'new' },
    logs: [] as object[],
    logsDropped: 0,
    effects: { metric: [], enqueue: [], kv: [], emit: [], tally: [] },
  }
  const ran = () => {
    is.runs += 1
    if (is.runs <= is.interruptions)
      return { ...result, value: null, error: new HubError('plugin_interrupted', 'a neighbour at fault') }
    return { ...result, value: is.answer, error: is.error, logs: is.logs }
  }
  const call = openRouteCall({
    roster: {
      find: (key: string) => (key === 'default/one' ? { installation: of(is.hash), state: is.state } : undefined),
      isUp: () => is.up,
      loaded: () => loading,
    },
    openRoutes: { ready: async () => {}, isUp: () => true, run: async () => ran() },
    sandbox: { runEach: async () => ran() },

    capabilities: {
      open: ({ hash }: { hash: string }) => {
        is.opened.push(hash)
        return {
          handler: async () => null,
          mask: (text: string) => text,
          exchanges: [],
          hasProven: () => is.hasProven,
          mayHaveLeft: () => is.mayHaveLeft,
        }
      },
    },
    memoryQuota: { ready: async () => {}, admit: () => {} },
    inlet: {},
    runs: { record: ({ failure }: RunEnd) => is.recorded.push(failure?.code) },
    health: { note: (run: object) => is.noted.push(run) },
    meter: { handlerFailed: (_id: string, code: string) => is.failed.push(code), pluginMetric: () => {} },
    clock,
    limits: LIMITS,
  } as unknown as RouteCallDeps)
  return { is, load, pass: (ms: number) => clock.moveTo(clock.nowMs() + ms), call }
}

test('it is answered by the new code once that is up', async () => {
  const { is, load, call } = world()
  const answering = call(ASKED)
  await sleep(5)
  expect(is.runs).toBe(0)
  load()
  expect(await answering).toEqual({ body: 'new' })
})

test('nobody waits longer than a route may take, nor for one that stands still or is not there', async () => {
  const { is, pass, call } = world()
  const waiting = call(ASKED)
  pass(5_000)
  await expect(waiting).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 })
  is.state = 'paused'
  await expect(call(ASKED)).rejects.toMatchObject({
    code: 'unavailable',
  })
  await expect(call({ ...ASKED, installation: 'two' })).rejects.toMatchObject({
    code: 'not_found',
  })
  expect(is.runs).toBe(0)
})

test('a swap that ends while the body is read: the new code gets the request, with what it was granted', async () => {
  const { is, load, call } = world()
  load()
  const answering = call(ASKED)
  is.hash = 'new'
  expect(await answering).toEqual({ body: 'new' })
  expect([is.opened, is.runs]).toEqual([['old', 'new'], 1])
})

test('whoever takes in responses fares as its senders do; words are repeated only of one that was refused unread', async () => {
  const { is, load, call } = world()
  load()
  const answered = async (answer: object): Promise<object | undefined> => {
    is.answer = answer
    await call(ASKED)
    return is.noted.at(-1)
  }
  const noted = (error: object | null) => ({
    workspace: undefined,
    installation: 'one',
    responseId: null,
    error,
    hasProven: is.hasProven,
  })
  const refused = await answered({ status: 401, json: { error: 'The signature is wrong.' } })
  const message = 'GET /new refused a request with 401: The signature is wrong.'
  expect(refused).toEqual(noted({ code: 'http_401', message }))
  expect(await answered({ status: 422, json: { error: 'Ada is no number' } })).toEqual(
    noted({ code: 'http_422', message: 'GET /new refused a request with 422.' }),
  )
  expect(await answered({ json: { result: 'stored' } })).toEqual(noted(null))
  is.hasProven = true
  expect(await answered({ json: { result: 'stored' } })).toEqual(noted(null))
})

test('what was thrown is told to the author alone, by whatever door the others came', async () => {
  const { is, load, call } = world()
  load()
  is.error = new HubError('plugin_threw', 'no column "salary" in /srv/plugins/one')
  const told = (asked: object) => call({ ...ASKED, ...asked }).catch((error: HubError) => [error.code, error.message])
  const [code, message] = (await told({ requestId: 'req_1' })) as [string, string]
  expect(code).toBe('plugin_failed')
  expect(message).not.toContain('salary')
  is.api = { analytics: {} }
  expect(await told({ requestId: 'req_1', area: 'analytics' })).toEqual([code, message])
  expect(await told({ area: 'analytics' })).toEqual([code, message])
  expect(await told({ area: 'analytics', seesErrors: true })).toEqual(['plugin_threw', is.error.message])
})

test('a run that ended through no fault of its own is made again, but not where it may have sent something, nor for ever', async () => {
  const interrupted = async (given: { interruptions: number; mayHaveLeft?: boolean; gone?: AbortSignal }) => {
    const { is, load, call } = world()
    load()
    Object.assign(is, given)
    const ended = await call(ASKED, { gone: given.gone }).catch((error: HubError) => error)
    return { ended, ...is }
  }
  const answered = await interrupted({ interruptions: 2 })
  expect(answered.ended).toEqual({ body: 'new' })
  // Each is a run of its own in the history; nobody who is answered has met a failure.
  expect([answered.recorded, answered.failed]).toEqual([['plugin_interrupted', 'plugin_interrupted', undefined], []])
  expect(answered.noted).toHaveLength(1)
  for (const [given, runs] of [
    [{ interruptions: 9 }, 3],
    [{ interruptions: 9, mayHaveLeft: true }, 1],
    [{ interruptions: 9, gone: AbortSignal.abort() }, 1],
  ] as const) {
    const { ended, ...is } = await interrupted(given)
    expect(ended).toMatchObject({ code: 'plugin_interrupted', status: 503, retryable: true })
    expect((ended as HubError).message).toContain('send the request once more')
    expect([is.runs, is.recorded.length, is.failed]).toEqual([runs, runs, ['plugin_interrupted']])
  }
})

test('a question to an area of the API that did nothing but answer is not in the history; what failed or said something is', async () => {
  const { is, load, call } = world()
  is.api = { analytics: {} }
  load()
  const asked = { ...ASKED, area: 'analytics' }
  await call(asked)
  expect([is.runs, is.recorded]).toEqual([1, []])
  is.logs = [{ level: 'info', message: 'looked twice' }]
  await call(asked)
  is.logs = []
  is.error = new HubError('plugin_failed', 'broken')
  await expect(call(asked)).rejects.toThrow()
  expect(is.recorded).toEqual([undefined, 'plugin_failed'])
  is.error = null
  is.api = {}
  await call(ASKED)
  expect(is.recorded).toHaveLength(3)
})
