/**
 * Analytics: every response as typed columns in an engine made for questions, fed from the log and as fresh as it. What it
 * keeps can be made again at any time; nothing else in the hub depends on it.
 */
import { defineNative } from 'manifold/plugin'
import type { RouteRequest, RouteResponse } from 'manifold/plugin'
import type { Behaviour } from './behaviour/asking.ts'
import { experiments } from './behaviour/experiments-question.ts'
import { funnels } from './behaviour/funnels.ts'
import { journeys } from './behaviour/journeys-question.ts'
import { cohorts, retention } from './behaviour/retention.ts'
import { answerBehaviour } from './behaviour/route.ts'
import { segments } from './behaviour/segments.ts'
import { features, heatmap } from './behaviour/usage.ts'
import { userPage } from './behaviour/user.ts'
import { openDatabase } from './engine/database.ts'
import { openProjection } from './engine/projection.ts'
import { openReaders } from './engine/readers.ts'
import { openTail } from './engine/tail.ts'
import { Keeper } from './metrics/keeper.ts'
import { answerLiveEvent, answerLiveForm } from './live/route.ts'
import { openMetrics } from './metrics/metrics.ts'
import { answerMetrics } from './metrics/route.ts'
import { openAsker } from './query/answer.ts'
import { problem } from './query/problem.ts'
import { answerQuery } from './query/route.ts'
import { openSqlDesk } from './sql/desk.ts'
import { answerSql, answerViews } from './sql/route.ts'
import type { Plugin } from './types.d.ts'

/** Well within what a route may take. */
const WAIT_MS = 3_000
const RETRY_AFTER_S = '2'
const BYTES_PER_MB = 2 ** 20

/** Whether it came about in time; rejects when it failed. */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)))
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer))
}

function behind(applied: number, head: number): RouteResponse {
  const share = Math.floor((applied / Math.max(head, 1)) * 100)
  const detail = `The log is being read: ${applied} of ${head} entries, ${share} %. Ask again in a moment.`
  const { headers = {}, ...rest } = problem(503, 'unavailable', { title: 'The hub cannot do this right now', detail })
  return { ...rest, headers: { ...headers, 'retry-after': RETRY_AFTER_S } }
}

export default defineNative<Plugin>(async ({ config, dir, log, say }) => {
  const warn = (message: string, fields: { readonly [key: string]: string }): void => say('warn', message, fields)
  const database = await openDatabase({ dir, memoryMb: config.memoryMb, warn })
  const keeper = new Keeper({ bytesMax: config.countsMb * BYTES_PER_MB, warn })
  const projection = await openProjection(database, keeper)
  const counting = await database.instance.connect()
  keeper.begin({ connection: counting, settled: projection.settled })
  const warming = keeper.warm(projection.forms()).catch((error: unknown) => {
    warn('forms could not be counted beforehand', { error: String(error) })
  })
  const tail = openTail({ log, say }, projection)
  const readers = await openReaders(database, config.queryTimeoutMs)
  const asker = openAsker(readers, config)
  const metrics = openMetrics({ readers, keeper, timezone: config.timezone })
  const desk = openSqlDesk(database, projection, { timeoutMs: config.queryTimeoutMs, memoryMb: config.memoryMb })
  // The projection reads the log itself: an event only says that there is something to read.
  const heard = (): void => tail.poke()
  /** Whoever was told that a response is stored finds it in the next answer, or is told that it is too early to ask. */
  const route = async (answer: () => Promise<RouteResponse>): Promise<RouteResponse> => {
    const head = await log.head()
    const isThere = await within(WAIT_MS, tail.reached(head))
    return isThere ? answer() : behind(projection.applied(), head)
  }
  const asked =
    <Question>(from: 'body' | 'query', behaviour: Behaviour<Question>) =>
    (request: RouteRequest): Promise<RouteResponse> =>
      route(() =>
        answerBehaviour(request, from, { behaviour, parts: { readers, projection, timezone: config.timezone } }),
      )
  return {
    on: {
      'response.submitted': heard,
      'response.partial': heard,
      'response.deleted': heard,
      'form.deleted': heard,
      'events.expired': heard,
      'track.*': heard,
    },
    routes: {
      'GET /sql': () => route(async () => answerViews(desk)),
      'POST /sql': (request, { signal }) => route(() => answerSql(request, { desk, projection, signal })),
      'POST /query': (request) => route(() => answerQuery(request, { asker, projection })),
      'POST /funnels': asked('body', funnels),
      'POST /retention': asked('body', retention),
      'POST /cohorts': asked('body', cohorts),
      'POST /journeys': asked('body', journeys),
      'POST /segments': asked('body', segments),
      'POST /experiments': asked('body', experiments),
      'GET /features': asked('query', features),
      'GET /heatmap': asked('query', heatmap),
      'GET /users/{id}': asked('query', userPage),
      'GET /forms/{id}/metrics': (request) => route(() => answerMetrics(request, { metrics, projection })),
      'GET /live/forms/{id}': (request) => route(() => answerLiveForm(request, { metrics, projection })),
      'GET /live/events/{id}': (request) => route(() => answerLiveEvent(request, { readers })),
    },
    close: async () => {
      await tail.close()
      await keeper.close()
      await warming
      counting.closeSync()
      await desk.close()
      readers.close()
      database.close()
    },
  }
})
