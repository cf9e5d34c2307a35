/**
 * Analytics: every response as typed columns in an engine made for questions, fed from the log and as fresh as it. What it
 * keeps can be made again at any time; nothing else in the hub depends on it.
 */
import { defineNative } from 'manifold/plugin'
import type { Context, RouteRequest, RouteResponse } from 'manifold/plugin'
import { answerActivity, answerEvent, answerLadder } from './activity/route.ts'
import type { Behaviour } from './behaviour/asking.ts'
import { experiments } from './behaviour/experiments-question.ts'
import { funnels } from './behaviour/funnels.ts'
import { journeys } from './behaviour/journeys-question.ts'
import { cohorts, retention } from './behaviour/retention.ts'
import { answerBehaviour } from './behaviour/route.ts'
import { Annotations } from './annotations/annotations.ts'
import { createAnnotation, deleteAnnotation, listAnnotations } from './annotations/route.ts'
import { segments } from './behaviour/segments.ts'
import { features, heatmap } from './behaviour/usage.ts'
import { userPage } from './behaviour/user.ts'
import type { Generation } from './life/generation.ts'
import { Generations } from './life/generations.ts'
import { beginRebuild, showRebuild } from './life/route.ts'
import { answerLiveEvent, answerLiveForm } from './live/route.ts'
import { answerForms } from './metrics/list-route.ts'
import { answerMetrics } from './metrics/route.ts'
import { failure } from './query/failure.ts'
import { answerQuery } from './query/route.ts'
import { SlowQuestions } from './slow/questions.ts'
import { answerSql, answerViews } from './sql/route.ts'
import { answerSaved } from './saved/answer.ts'
import { changeSaved, createSaved, deleteSaved, listSaved, showSaved } from './saved/route.ts'
import { dropSavedOf } from './saved/saved.ts'
import type { Saved } from './saved/saved.ts'
import { dropShares } from './shares/shares.ts'
import { createShare, listShares, openShare, revokeShare } from './shares/route.ts'
import type { Plugin } from './types.d.ts'

type Asker = Pick<Context, 'signal' | 'kv' | 'metric'>
type Keeper = Asker & Pick<Context, 'tally' | 'tallies'>

export default defineNative<Plugin>(async (around) => {
  const generations = await Generations.open(around)
  const { openFields } = around.config
  const annotations = new Annotations()
  // The projection reads the log itself: an event only says that there is something to read.
  const heard = (): void => generations.poke()
  const slow = await SlowQuestions.open({ fromMs: around.config.slowQueryMs, dir: around.dir, say: around.say })
  type Answering = (generation: Generation, request: RouteRequest, ctx: Asker) => Promise<RouteResponse>
  /** A question: it is told when it takes long. */
  const question =
    (name: Plugin['routes'], answer: Answering) =>
    (request: RouteRequest, ctx: Asker): Promise<RouteResponse> =>
      slow.watch(name, request, () => generations.route(ctx.signal, (generation) => answer(generation, request, ctx)))
  const asked = <Question>(name: Plugin['routes'], from: 'body' | 'query', behaviour: Behaviour<Question>) =>
    question(name, ({ readers, projection, metrics: { timezone } }, request, { signal }) =>
      answerBehaviour(request, from, { behaviour, parts: { readers, projection, timezone, signal, openFields } }),
    )
  return {
    on: {
      'response.submitted': heard,
      'response.partial': heard,
      'response.deleted': heard,
      'form.changed': heard,
      'form.deleted': async ({ data: { id }, at }, { kv }) => {
        heard()
        if (typeof id === 'string')
          await Promise.all([dropShares(kv, id, at), annotations.drop(kv, id, at), dropSavedOf(kv, id, at)])
      },
      'events.expired': heard,
      'track.*': heard,
    },
    routes: {
      'GET /sql': (_request, { signal }) => generations.route(signal, async ({ desk }) => answerViews(desk)),
      'POST /sql': question('POST /sql', ({ desk, projection }, request, { signal }) =>
        answerSql(request, { desk, projection, signal }),
      ),
      'POST /funnels': asked('POST /funnels', 'body', funnels),
      'POST /retention': asked('POST /retention', 'body', retention),
      'POST /cohorts': asked('POST /cohorts', 'body', cohorts),
      'POST /journeys': asked('POST /journeys', 'body', journeys),
      'POST /segments': asked('POST /segments', 'body', segments),
      'POST /experiments': asked('POST /experiments', 'body', experiments),
      'GET /activity': question('GET /activity', (generation, request, { signal }) =>
        answerActivity(request, { generation, ladder: around.ladder, signal }),
      ),
      'GET /events/{id}': question('GET /events/{id}', (generation, request, { signal }) =>
        answerEvent(request, { generation, signal }),
      ),
      'GET /ladder': (_request, { signal }) =>
        generations.route(signal, (generation) => answerLadder({ generation, ladder: around.ladder, signal })),
      'GET /features': asked('GET /features', 'query', features),
      'GET /heatmap': asked('GET /heatmap', 'query', heatmap),
      'GET /users/{id}': asked('GET /users/{id}', 'query', userPage),
      'GET /live/forms/{id}': (request, { signal }) =>
        generations.route(signal, (generation) => answerLiveForm(request, { ...generation, signal }).catch(failure)),
      'GET /live/events/{id}': (request, { signal }) =>
        generations.route(signal, (generation) => answerLiveEvent(request, { ...generation, signal }).catch(failure)),
      'POST /query': question('POST /query', ({ asker, projection, forms }, request, { signal, metric }) =>
        answerQuery(request, { asker, projection, forms, signal, openFields, metric }),
      ),
      'GET /forms': question('GET /forms', ({ headlines, forms, metrics: { timezone } }, request, { signal, metric }) =>
        answerForms(request, { headlines, forms, timezone, signal, metric }),
      ),
      'GET /forms/{id}/metrics': question(
        'GET /forms/{id}/metrics',
        ({ metrics, projection, forms }, request, { kv, signal, metric }) =>
          answerMetrics(request, { metrics, projection, forms, annotations, kv, signal, metric }),
      ),
      'GET /slow': async () => slow.list(),
      ...keptRoutes(generations, annotations, around),
      'POST /rebuild': () => beginRebuild(generations),
      'GET /rebuild': () => showRebuild(generations),
    },
    close: async () => {
      await slow.close()
      await generations.close()
    },
  }
})

/** What people keep: notes on the time line, questions, and links to what they show. */
function keptRoutes(
  generations: Generations,
  annotations: Annotations,
  { config, workspace, forms: hub }: Parameters<typeof Generations.open>[0],
) {
  /** Of a saved question, for whoever has a link. */
  const savedBy =
    ({ asker, projection, forms, readers, metrics: { timezone } }: Generation, { signal, metric }: Asker) =>
    (saved: Saved): Promise<RouteResponse> =>
      answerSaved(saved, { asker, projection, forms, readers, timezone, signal, metric, openFields: config.openFields })
  return {
    'GET /annotations': (request, { kv }) => listAnnotations(request, { kv, annotations }),
    'POST /annotations': (request, { kv }) =>
      createAnnotation(request, { kv, annotations, forms: hub, timezone: config.timezone }),
    'DELETE /annotations/{id}': (request, { kv }) => deleteAnnotation(request, { kv, annotations }),
    'GET /saved': (_request, ctx) => listSaved(ctx),
    'POST /saved': (request, ctx) => createSaved(request, ctx),
    'GET /saved/{id}': (request, ctx) => showSaved(request, ctx),
    'POST /saved/{id}': (request, ctx) => changeSaved(request, ctx),
    'DELETE /saved/{id}': (request, ctx) => deleteSaved(request, ctx),
    'GET /shares': (_request, ctx) => listShares({ ctx }),
    'POST /shares': (request, ctx) => {
      const answered = (saved: Saved): Promise<RouteResponse> =>
        generations.route(ctx.signal, (generation) => savedBy(generation, ctx)(saved))
      return createShare(request, { ctx, forms: hub, workspace, answered })
    },
    'DELETE /shares/{id}': (request, ctx) => revokeShare(request, { ctx }),
    'GET /share/{token}': (request, ctx) =>
      generations.route(ctx.signal, (generation) => {
        const { metrics, projection, forms } = generation
        const { kv, signal, metric } = ctx
        const parts = { metrics, projection, forms, annotations, kv, signal, metric }
        const shown = (id: string) => answerMetrics({ params: { id }, query: {} }, parts)
        return openShare(request, { ctx, forms, shown, answered: savedBy(generation, ctx) })
      }),
  } satisfies { readonly [route: string]: (request: RouteRequest, ctx: Keeper) => Promise<RouteResponse> }
}
