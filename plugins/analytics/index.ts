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
import { createAnnotation, deleteAnnotation, listAnnotations } from './annotations/route.ts'
import { segments } from './behaviour/segments.ts'
import { features, heatmap } from './behaviour/usage.ts'
import { userPage } from './behaviour/user.ts'
import { Generations } from './life/generations.ts'
import { beginRebuild, showRebuild } from './life/route.ts'
import { answerLiveEvent, answerLiveForm } from './live/route.ts'
import { answerMetrics } from './metrics/route.ts'
import { answerQuery } from './query/route.ts'
import { answerSql, answerViews } from './sql/route.ts'
import { createShare, listShares, openShare, revokeShare } from './shares/route.ts'
import type { Plugin } from './types.d.ts'

export default defineNative<Plugin>(async (around) => {
  const generations = await Generations.open(around)
  // The projection reads the log itself: an event only says that there is something to read.
  const heard = (): void => generations.poke()
  const asked =
    <Question>(from: 'body' | 'query', behaviour: Behaviour<Question>) =>
    (request: RouteRequest): Promise<RouteResponse> =>
      generations.route(({ readers, projection, metrics: { timezone } }) =>
        answerBehaviour(request, from, { behaviour, parts: { readers, projection, timezone } }),
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
      'GET /sql': () => generations.route(async ({ desk }) => answerViews(desk)),
      'POST /sql': (request, { signal }) =>
        generations.route(({ desk, projection }) => answerSql(request, { desk, projection, signal })),
      'POST /funnels': asked('body', funnels),
      'POST /retention': asked('body', retention),
      'POST /cohorts': asked('body', cohorts),
      'POST /journeys': asked('body', journeys),
      'POST /segments': asked('body', segments),
      'POST /experiments': asked('body', experiments),
      'GET /features': asked('query', features),
      'GET /heatmap': asked('query', heatmap),
      'GET /users/{id}': asked('query', userPage),
      'GET /live/forms/{id}': (request) => generations.route((generation) => answerLiveForm(request, generation)),
      'GET /live/events/{id}': (request) => generations.route((generation) => answerLiveEvent(request, generation)),
      'POST /query': (request) => generations.route((generation) => answerQuery(request, generation)),
      'GET /forms/{id}/metrics': (request, { kv }) =>
        generations.route(({ metrics, projection }) => answerMetrics(request, { metrics, projection, kv })),
      'GET /annotations': (request, { kv }) => listAnnotations(request, { kv }),
      'POST /annotations': (request, { kv }) => createAnnotation(request, { kv, timezone: around.config.timezone }),
      'DELETE /annotations/{id}': (request, { kv }) => deleteAnnotation(request, { kv }),
      'GET /shares': (_request, ctx) => listShares({ ctx }),
      'POST /shares': (request, ctx) =>
        generations.route(({ projection }) => createShare(request, { ctx, projection, workspace: around.workspace })),
      'DELETE /shares/{id}': (request, ctx) => revokeShare(request, { ctx }),
      'GET /share/{token}': (request, ctx) =>
        generations.route(({ metrics, projection }) => {
          const shown = (id: string) =>
            answerMetrics({ params: { id }, query: {} }, { metrics, projection, kv: ctx.kv })
          return openShare(request, { ctx, projection, shown })
        }),
      'POST /rebuild': () => beginRebuild(generations),
      'GET /rebuild': () => showRebuild(generations),
    },
    close: () => generations.close(),
  }
})
