/** What is done to many at once: their count first, then step by step with a page that says how far it is and can stop it. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { withQuery } from '../api.ts'
import { act, confirm } from '../parts/confirm.ts'
import { facts, notice } from '../parts/facts.ts'
import { number } from '../parts/time.ts'
import type { Answer, Screen, View, Visit } from '../visit.ts'
import { beginWork, findWork, isElsewhere, stopWork } from '../work.ts'
import type { Work } from '../work.ts'

/** Filters, by their names in the address and in the API. */
export type Asked = Readonly<Record<string, string>>

/** What the API says of a step, or of what a dry run found. */
export interface Stepped {
  readonly matched: number
  readonly next_cursor: string | null
  /** Why it did not get further. */
  readonly stopped?: { readonly detail: string }
}

/** What may be done with many: how the API is asked, and what a person is told. */
export interface Bulk<Done extends Stepped> {
  readonly path: string
  readonly api: string
  readonly title: string
  readonly button: string
  readonly isDanger?: boolean
  /** The list these are of. */
  readonly back: { readonly label: string; readonly href: string }
  /** Of the filters that it takes. */
  readonly names: readonly string[]
  /** Of one step: so many that progress is seen to advance. */
  readonly stepRows: number
  readonly things: (count: number) => string
  readonly bodyOf: (asked: Asked) => object
  /** Filters that are settled before anybody says yes. */
  readonly settled?: (asked: Asked) => Asked
  readonly says: (count: string) => Html
  readonly done: (count: string) => string
  /** Why what was done has no effect yet; null: it has. */
  readonly waits?: (visit: Visit) => Promise<Html | null>
  /** Where to look for the rest. */
  readonly left: Html
  /** Of an answer. */
  readonly countOf: (done: Done) => number
}

/** Asking, doing, looking on, stopping. */
export function bulkScreens<Done extends Stepped>(
  { path, nav }: Pick<Screen, 'path' | 'nav'>,
  bulk: () => Bulk<Done>,
): readonly Screen[] {
  return [
    { method: 'GET', path, nav, answer: (visit) => ask(visit, bulk()) },
    { method: 'POST', path, nav, answer: (visit) => begin(visit, bulk()) },
    { method: 'GET', path: `${path}/{id}`, nav, answer: (visit) => progress(visit, bulk()) },
    { method: 'POST', path: `${path}/{id}/stop`, nav, answer: (visit) => stop(visit, bulk()) },
  ]
}

/** Filters, from a link or from the form of the page before. */
const askedBy = (names: readonly string[], values: URLSearchParams): Asked =>
  Object.fromEntries(
    names.flatMap((name): [string, string][] => (values.get(name) ? [[name, String(values.get(name))]] : [])),
  )

async function ask<Done extends Stepped>(visit: Visit, bulk: Bulk<Done>): Promise<Answer> {
  const { names, title, back: list, settled = (asked: Asked) => asked } = bulk
  const asked = askedBy(names, visit.url.searchParams)
  const dry = await visit.api.send<Done>('POST', bulk.api, { ...bulk.bodyOf(asked), dry_run: true })
  const back = withQuery(list.href, { ...asked, cause: undefined })
  if (dry.matched === 0) return { redirect: back, flash: 'There is none left of those.' }
  return {
    view: confirm({
      title,
      trail: [{ label: list.label, href: back }],
      says: html`${bulk.says(bulk.things(dry.matched))}${facts(names.map((name) => [name, asked[name] ?? null]))}`,
      action: bulk.path,
      fields: { ...settled(asked), cursor: dry.next_cursor, of: String(dry.matched) },
      button: `${bulk.button} (${number(dry.matched)})`,
      isDanger: bulk.isDanger === true,
      back,
    }),
  }
}

async function begin<Done extends Stepped>(visit: Visit, bulk: Bulk<Done>): Promise<Answer> {
  const asked = askedBy(bulk.names, visit.form)
  const { work, begun } = await beginWork(visit, {
    kind: bulk.path,
    of: Number(visit.form.get('of') ?? 0),
    cursor: visit.form.get('cursor'),
    step: async (cursor) => {
      const body = { ...bulk.bodyOf(asked), limit: bulk.stepRows, ...(cursor === null ? {} : { cursor }) }
      const done = await visit.api.send<Done>('POST', bulk.api, body)
      return { count: bulk.countOf(done), next: done.next_cursor, problem: done.stopped?.detail }
    },
  })
  if (!begun)
    return {
      redirect: `${work.kind}/${work.id}`,
      flash: 'Nothing was begun: what you began before is still under way.',
    }
  return work.state === 'done' && ((await bulk.waits?.(visit)) ?? null) === null
    ? { redirect: bulk.back.href, flash: bulk.done(bulk.things(work.done)) }
    : { redirect: `${bulk.path}/${work.id}` }
}

const PROGRESS_MS = 1_000
/** Another process is asked by chance. */
const ELSEWHERE_MS = 2_000

/** How far it is; without a script the page loads itself anew. */
async function progress<Done extends Stepped>(visit: Visit, bulk: Bulk<Done>): Promise<Answer> {
  const id = visit.param('id')
  const { title, back } = bulk
  const work = findWork(visit, bulk.path, id)
  const page: Pick<View, 'title' | 'trail'> = { title, trail: [back] }
  if (work === null) return { view: { ...page, ...(isElsewhere(id) ? elsewhere(bulk) : over(bulk)) } }
  const { done, state, problem } = work
  const of = Math.max(work.of, done)
  const waits = (await bulk.waits?.(visit)) ?? null
  return {
    view: {
      ...page,
      ...(state === 'runs' || waits !== null ? { refreshMs: PROGRESS_MS, reloads: true } : {}),
      body: html`<div class="confirm"><p class="lead"><strong>${number(done)}</strong> of ${number(of)}</p>
<progress max="${of}" value="${done}" aria-label="Progress">${number(done)}</progress>
${ENDS[state](bulk.done(bulk.things(done)), problem)}${waits}
<div class="buttons">${state === 'runs' ? act(`${bulk.path}/${work.id}/stop`, 'Stop') : html`<a class="button" href="${back.href}">${back.label}</a>`}</div></div>`,
    },
  }
}

const over = ({ left }: Pick<Bulk<Stepped>, 'left'>): Pick<View, 'status' | 'body'> => ({
  status: 404,
  body: html`<p>Nothing is under way here: it is long over. ${left}</p>`,
})

/** Several processes may stand behind one address; this page finds the right one as it is asked again. */
const elsewhere = ({ left }: Pick<Bulk<Stepped>, 'left'>): Pick<View, 'body' | 'refreshMs' | 'reloads'> => ({
  refreshMs: ELSEWHERE_MS,
  reloads: true,
  body: html`<p><strong>It was begun in another process of the hub</strong> than the one that answers now, and goes on there. This page asks on until that one answers.</p>
<p class="soft">If the hub was started anew meanwhile, it ended then. ${left}</p>`,
})

const ENDS: Readonly<Record<Work['state'], (done: string, problem: string | null) => Html | null>> = {
  runs: () => html`<p class="soft">It goes on by itself, also when you leave this page.</p>`,
  done: (done) => notice('good', html`<p>${done}</p>`),
  stopped: (done) => notice('warn', html`<p><strong>Stopped.</strong> ${done}</p>`),
  failed: (done, problem) =>
    notice('bad', html`<p><strong>It did not get further.</strong> ${problem}</p><p>${done}</p>`),
}

async function stop<Done extends Stepped>(visit: Visit, { path }: Bulk<Done>): Promise<Answer> {
  const id = visit.param('id')
  stopWork(visit, id)
  return {
    redirect: `${path}/${id}`,
    ...(isElsewhere(id) ? { flash: 'It was not stopped: another process of the hub answered. Try again.' } : {}),
  }
}
