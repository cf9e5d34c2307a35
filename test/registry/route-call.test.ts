/** A route while the code of its installation is swapped: it waits for the new one, and never meets the old. */
import { expect, test } from 'vitest'
import { openRouteCall } from '../../core/registry/route-call.ts'
import type { RouteCallDeps } from '../../core/registry/route-call.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import { LIMITS } from '../../core/limits.ts'
import { sleep } from '../support/wait.ts'

const request = { method: 'GET', path: '/new', query: {}, headers: {}, bytes: '' }

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
    plugin: { manifest },
    limits: { routeWallMs: 5_000 },
  })
  const result = {
    error: null,
    value: { body: 'new' },
    effects: { metric: [], enqueue: [], kv: [], emit: [], tally: [] },
  }
  const call = openRouteCall({
    roster: {
      find: (key: string) => (key === 'default/one' ? { installation: of(is.hash), state: is.state } : undefined),
      isUp: () => is.up,
      loaded: () => loading,
    },
    sandbox: {
      runEach: async () => {
        is.runs += 1
        return { ...result, value: is.answer }
      },
    },
    capabilities: {
      open: ({ hash }: { hash: string }) => {
        is.opened.push(hash)
        return { handler: async () => null, mask: (text: string) => text, exchanges: [] }
      },
    },
    memoryQuota: { ready: async () => {}, admit: () => {} },
    inlet: {},
    runs: { record: () => {} },
    health: { note: (run: object) => is.noted.push(run) },
    meter: { handlerFailed: () => {}, pluginMetric: () => {} },
    clock,
    limits: LIMITS,
  } as unknown as RouteCallDeps)
  return { is, load, pass: (ms: number) => clock.moveTo(clock.nowMs() + ms), call }
}

test('it is answered by the new code once that is up', async () => {
  const { is, load, call } = world()
  const answering = call({ workspace: 'default', area: null, installation: 'one', requestId: null, request })
  await sleep(5)
  expect(is.runs).toBe(0)
  load()
  expect(await answering).toEqual({ body: 'new' })
})

test('nobody waits longer than a route may take, nor for one that stands still or is not there', async () => {
  const { is, pass, call } = world()
  const waiting = call({ workspace: 'default', area: null, installation: 'one', requestId: null, request })
  pass(5_000)
  await expect(waiting).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 })
  is.state = 'paused'
  await expect(
    call({ workspace: 'default', area: null, installation: 'one', requestId: null, request }),
  ).rejects.toMatchObject({
    code: 'unavailable',
  })
  await expect(
    call({ workspace: 'default', area: null, installation: 'two', requestId: null, request }),
  ).rejects.toMatchObject({
    code: 'not_found',
  })
  expect(is.runs).toBe(0)
})

test('a swap that ends while the body is read: the new code gets the request, with what it was granted', async () => {
  const { is, load, call } = world()
  load()
  const answering = call({ workspace: 'default', area: null, installation: 'one', requestId: null, request })
  is.hash = 'new'
  expect(await answering).toEqual({ body: 'new' })
  expect([is.opened, is.runs]).toEqual([['old', 'new'], 1])
})

test('whoever takes in responses fares as its senders do; words are repeated only of one that was refused unread', async () => {
  const { is, load, call } = world()
  load()
  const answered = async (answer: object): Promise<object | undefined> => {
    is.answer = answer
    await call({ workspace: 'default', area: null, installation: 'one', requestId: null, request })
    return is.noted.at(-1)
  }
  const noted = (error: object | null) => ({ workspace: undefined, installation: 'one', responseId: null, error })
  const refused = await answered({ status: 401, json: { error: 'The signature is wrong.' } })
  const message = 'GET /new refused a request with 401: The signature is wrong.'
  expect(refused).toEqual(noted({ code: 'http_401', message }))
  expect(await answered({ status: 422, json: { error: 'Ada is no number' } })).toEqual(
    noted({ code: 'http_422', message: 'GET /new refused a request with 422.' }),
  )
  expect(await answered({ json: { result: 'stored' } })).toEqual(noted(null))
})
