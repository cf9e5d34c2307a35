/**
 * Analytics: every response as typed columns in an engine made for questions, fed from the log and as fresh as it. What it
 * keeps can be made again at any time; nothing else in the hub depends on it.
 */
import { defineNative } from 'manifold/plugin'
import type { RouteResponse } from 'manifold/plugin'
import { openDatabase } from './engine/database.ts'
import { openProjection } from './engine/projection.ts'
import { openReaders } from './engine/readers.ts'
import { openTail } from './engine/tail.ts'
import { openMetrics } from './metrics/metrics.ts'
import { answerMetrics } from './metrics/route.ts'
import { openAsker } from './query/answer.ts'
import { answerQuery } from './query/route.ts'
import type { Plugin } from './types.d.ts'

export default defineNative<Plugin>(async ({ config, dir, log, say }) => {
  const warn = (message: string, fields: { readonly [key: string]: string }): void => say('warn', message, fields)
  const database = await openDatabase({ dir, memoryMb: config.memoryMb, warn })
  const projection = await openProjection(database)
  const tail = openTail({ log, say }, projection)
  const readers = await openReaders(database, config.queryTimeoutMs)
  const asker = openAsker(readers, config)
  const metrics = openMetrics(readers, config)
  // The projection reads the log itself: an event only says that there is something to read.
  const heard = (): void => tail.poke()
  /** Whoever was told that a response is stored finds it in the next answer. */
  const route = async (answer: () => Promise<RouteResponse>): Promise<RouteResponse> => {
    await tail.reached(await log.head())
    return answer()
  }
  return {
    on: {
      'response.submitted': heard,
      'response.partial': heard,
      'response.deleted': heard,
      'form.deleted': heard,
    },
    routes: {
      'POST /query': (request) => route(() => answerQuery(request, { asker, projection })),
      'GET /forms/{id}/metrics': (request) => route(() => answerMetrics(request, { metrics, projection })),
    },
    close: async () => {
      await tail.close()
      readers.close()
      database.close()
    },
  }
})
