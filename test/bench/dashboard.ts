/** How long the dashboard's lists take at a million responses, on SQLite and on Postgres; and in a browser, with so many behind. */
import { loadDemoForms } from '../../core/demo/forms.ts'
import { firstOf } from '../support/dashboard-paths.ts'
import type { Hub } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { usedInBrowser } from './dashboard-used.ts'
import { fillPostgres } from './fill-postgres.ts'
import { fillStore } from './fill-store.ts'
import { benchDatabase } from './fleet-target.ts'
import { figure, printTable, progress } from './report.ts'
import type { Verdict } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'
import { hubTarget } from './targets.ts'
import type { Target } from './targets.ts'

const PAGE_MS_MAX = 200
/** Behind the list that somebody uses in a browser. */
const ROWS_USED = 10_000

export const dashboard: Scenario = async ({ bench, quick }) => {
  const responses = quick ? 100_000 : 1_000_000
  const repeats = quick ? 5 : 15
  const past = { responses, installation: 'sink', form: 'bench', answers: answersOfSurveys(), hasTrouble: true }
  const begunMs = performance.now()
  const filled = (name: string, count: number): void =>
    progress(`${name}: ${figure(count)} filled ${figure((performance.now() - begunMs) / 1_000)} s after the start`)
  const verdicts: Verdict[] = []
  for (const count of [ROWS_USED, responses]) {
    await using dir = await tempDir('dashboard-bench')
    const make = hubTarget({ hub: { dataDir: dir.file('data') } })
    // The hub makes the schema and its own rows, the fill goes straight into the tables.
    await (await make(bench.sinkUrl))[Symbol.asyncDispose]()
    fillStore(dir.file('data'), { ...past, responses: count })
    filled('SQLite', count)
    await using target = await make(bench.sinkUrl)
    if (count === responses) verdicts.push(...(await served('SQLite', target, repeats)))
    if (target.hub !== null) verdicts.push(...(await usedInBrowser(target.hub, count, repeats)))
  }
  await using database = await benchDatabase()
  const make = hubTarget({ hub: { env: { DATABASE_URL: database.url } } })
  await (await make(bench.sinkUrl))[Symbol.asyncDispose]()
  await fillPostgres(database.url, past)
  filled('Postgres', responses)
  await using target = await make(bench.sinkUrl)
  return [...verdicts, ...(await served('Postgres', target, repeats))]
}

const answersOfSurveys = (): readonly string[] =>
  loadDemoForms().flatMap(({ answers }) => answers.map(({ data }) => JSON.stringify(data)))

/** Each page from request to last byte: a first time, when nothing is warm, and then again. */
async function served(name: string, { hub }: Target, repeats: number): Promise<readonly Verdict[]> {
  if (hub === null) return []
  const headers = { cookie: await sessionOf(hub) }
  const rows: {
    readonly page: string
    readonly firstMs: number
    readonly medianMs: number
    readonly worstMs: number
  }[] = []
  for (const [page, path] of await pagesOf(hub)) {
    const times: number[] = []
    for (let n = 0; n <= repeats; n += 1) {
      const startedMs = performance.now()
      const answer = await fetch(hub.url + path, { headers })
      const text = await answer.text()
      times.push(performance.now() - startedMs)
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${text.slice(0, 200)}`)
    }
    const [firstMs = 0, ...again] = times
    rows.push({ page, firstMs, medianMs: median(again), worstMs: Math.max(...again) })
  }
  printTable(
    `Pages of the dashboard on ${name}, ms`,
    ['page', 'first', `median of ${repeats}`, 'worst'],
    rows.map((row) => [row.page, figure(row.firstMs), figure(row.medianMs), figure(row.worstMs)]),
  )
  const judged = (what: string, value: number): Verdict => ({
    what,
    value,
    budget: PAGE_MS_MAX,
    sense: 'max',
    unit: 'ms',
  })
  return rows.flatMap(({ page, firstMs, medianMs }) => [
    judged(`${name}: ${page}`, medianMs),
    judged(`${name}: ${page}, asked for the first time`, firstMs),
  ])
}

async function sessionOf({ url, adminKey }: Hub): Promise<string> {
  const answer = await fetch(`${url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: url },
    body: new URLSearchParams({ key: adminKey }),
  })
  return String(answer.headers.getSetCookie()[0]).split(';')[0] as string
}

/** What people ask of a list, and the worst of it: what is far back, what is rare, and what is not there. */
async function pagesOf(hub: Hub): Promise<readonly (readonly [page: string, path: string])[]> {
  const middle = new Date(Date.now() - 86_400_000 / 4).toISOString()
  const deep = async (path: string): Promise<string> => {
    const { body } = await hub.api<{ next_cursor: string }>('GET', `${path}?until=${middle}&limit=50`)
    return body.next_cursor
  }
  const head = await hub.api<{ items: { seq: number }[] }>('GET', '/api/v2/events?order=newest&limit=1')
  const half = Buffer.from(String(Math.floor((head.body.items[0]?.seq ?? 2) / 2))).toString('base64url')
  const [response, delivery] = await Promise.all([deep('/api/v2/responses'), deep('/api/v2/deliveries')])
  const [oneResponse, oneDelivery] = await Promise.all(['responses', 'deliveries'].map((name) => firstOf(hub, name)))
  const condition = (filter: object): string => encodeURIComponent(JSON.stringify(filter))
  return [
    ['overview', '/'],
    ['responses', '/responses'],
    ['responses, far back', `/responses?cursor=${response}`],
    ['responses, far back, in a time', `/responses?cursor=${response}&since=2020-01-01&until=2099-01-01`],
    ['responses, oldest first', '/responses?order=oldest'],
    ['responses of a form', '/responses?form=bench'],
    ['responses of a form, far back', `/responses?form=bench&cursor=${response}`],
    ['responses, partial', '/responses?status=partial'],
    ['responses, completed', '/responses?status=completed'],
    ['search, many', '/responses?text=turkey'],
    ['search, two words of a form', '/responses?form=bench&text=pumpkin+tofurkey'],
    ['search, the oldest', '/responses?text=%22fill-0%22'],
    ['search, nothing', '/responses?text=nobody+answered+this'],
    ['search, nothing but keys', '/responses?text=n'],
    ['responses by an answer', '/responses?form=bench&field=n&value=fill-7'],
    ['responses by a condition', `/responses?filter=${condition({ 'data.n': 'fill-7' })}`],
    ['responses of a form by a condition', `/responses?form=bench&filter=${condition({ 'data.n': 'fill-7' })}`],
    ['responses by a condition that none meets', `/responses?filter=${condition({ 'data.n': 'nobody' })}`],
    ['a response', `/responses/${oneResponse}`],
    ['a delivery', `/deliveries/${oneDelivery}`],
    ['events', '/events'],
    ['events, far back', `/events?cursor=${half}`],
    ['events, none of a type', '/events?type=response.partial'],
    ['deliveries', '/deliveries'],
    ['deliveries, far back', `/deliveries?cursor=${delivery}&state=delivered`],
    ['deliveries, none in a state', '/deliveries?state=pending'],
    ['deliveries, searched', '/deliveries?text=nobody'],
    ['dead letters', '/dead-letters'],
    ['dead letters of an error', '/dead-letters?code=http_404'],
    ['deliveries, dead', '/deliveries?state=dead'],
    ['quarantine', '/quarantine'],
    ['quarantine, far back', `/quarantine?until=${middle}`],
    ['forms', '/forms'],
    ['a form', '/forms/bench'],
    ['installations', '/installations'],
    ['runs', '/runs'],
  ]
}
