/** What the limits are tripped against: two running hubs, one with the limits of the table and one with lowered ones. */
import { expect } from 'vitest'
import type { LimitName } from '../../../core/limits.ts'
import type { Answer, ApiOptions, Hub } from '../../support/hub.ts'
import { startHub } from '../../support/hub.ts'
import { startReceiver } from '../../support/receiver.ts'
import type { Receiver } from '../../support/receiver.ts'
import { DECK, FAULT_PLUGINS, sceneConfig } from '../../support/scene.ts'

export interface World extends AsyncDisposable {
  /** Limits as in the table. */
  readonly plain: Hub
  /** Limits lowered by `TIGHT`. */
  readonly tight: Hub
  readonly receiver: Receiver
}

/** A row is tripped here, or in another test that is named and must exist. */
export type LimitCase = ((world: World) => Promise<void> | void) | { readonly in: string; readonly test: string }

/** The cases of some rows. */
export type LimitCases<Names extends LimitName> = Readonly<Record<Names, LimitCase>>

/** What the tight hub's `limits:` says. */
export const TIGHT = {
  batchBodyBytesMax: 20_000,
  batchRowsMax: 5,
  formsPerWorkspaceMax: 3,
  publicRatePerSecond: 1,
  publicRateBurst: 2,
  pluginRouteWallMs: 300,
  pluginActionWallMs: 300,
  pluginScheduleWallMs: 300,
  deliveryConcurrency: 3,
} as const

export const PATH = `/api/v2/forms/${DECK}/responses`

/** Starts both hubs, each with one installation of the greedy plugin. */
export async function openWorld(): Promise<World> {
  const stack = new AsyncDisposableStack()
  try {
    const receiver = stack.use(
      await startReceiver(({ path }) => (path === '/large' ? { body: 'x'.repeat(1_100_000) } : {})),
    )
    const greedy = { id: 'greedy', use: 'greedy', with: { url: receiver.url } }
    const sleeper = { id: 'sleeper', use: 'sleeper', retry: { schedule: [] } }
    const config = (limits: Readonly<Record<string, number>>, installations: readonly object[]) =>
      sceneConfig({ limits, pluginDirs: [FAULT_PLUGINS], installations })
    const [plain, tight] = await Promise.all([
      startHub({ config: config({}, [greedy]) }),
      startHub({ config: config(TIGHT, [greedy, sleeper]) }),
    ])
    stack.use(plain)
    stack.use(tight)
    return { plain, tight, receiver, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** What a problem answer says. */
export interface Problem {
  readonly code: string
  readonly detail: string
  /** Id of the request. */
  readonly instance?: string
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
}

/** Sends it and expects this status and code. */
export async function refused(
  hub: Hub,
  call: { readonly method?: string; readonly path?: string; readonly body?: unknown; readonly how?: ApiOptions },
  expected: readonly [status: number, code: string],
): Promise<Answer<Problem>> {
  const answer = await hub.api<Problem>(call.method ?? 'POST', call.path ?? PATH, call.body, call.how)
  expect([answer.status, answer.body.code], answer.text).toEqual(expected)
  return answer
}

/** Asks the greedy plugin's route for something. */
export const ask = (hub: Hub, what: string): Promise<Answer<Problem>> =>
  hub.api<Problem>('POST', '/i/greedy/ask', what, { headers: { 'content-type': 'text/plain' } })
