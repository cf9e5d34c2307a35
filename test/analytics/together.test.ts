/** Questions that many ask at once are computed once, and end once nobody waits for them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FieldInfo } from '../../core/contract/index.ts'
import { Busy } from '../../plugins/analytics/engine/line.ts'
import type { ProjectedForm } from '../../plugins/analytics/engine/projection.ts'
import type { Readers } from '../../plugins/analytics/engine/readers.ts'
import { Keeper } from '../../plugins/analytics/metrics/keeper.ts'
import { openMetrics } from '../../plugins/analytics/metrics/metrics.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { NARROW, NEVER, openProjected, WIDE } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'

const FIELDS: readonly FieldInfo[] = [{ key: 'dept', label: 'Dept', type: 'select', required: false, pii: false }]
const QUESTION = readQuestion(JSON.stringify({ form_id: 'f', aggregate: 'count', group_by: 'dept' }))
const ANSWER = [
  { dept: 'IT', value: 2 },
  { dept: 'HR', value: 1 },
]
const NOW_MS = Date.parse('2026-11-28T00:00:00Z')

let projected: Projected
let form: ProjectedForm
beforeAll(async () => {
  projected = await openProjected(FIELDS)
  form = await projected.tell(['IT', 'HR', 'IT'].map((dept, n) => ({ id: `rsp_${n}`, data: { dept } })))
})
afterAll(() => projected[Symbol.asyncDispose]())

/** The readers, that begin once `open` is called; `runs`: signals of what they were asked to do. */
function held(): { readonly readers: Readers; readonly runs: AbortSignal[]; open(): void } {
  const gate = Promise.withResolvers<void>()
  const runs: AbortSignal[] = []
  const run: Readers['run'] = async (signal, work) => {
    runs.push(signal)
    await gate.promise
    return projected.readers.run(signal, work)
  }
  return { readers: { run, close: () => undefined }, runs, open: gate.resolve }
}

test('a question that fifty ask at once is computed once, and apart for those who may see less', async () => {
  const { readers, runs, open } = held()
  const asker = openAsker(readers, { timezone: 'UTC' })
  const ask = (access: typeof WIDE) => asker.ask(QUESTION, formSource(form, 3), { access, signal: NEVER })
  const asking = Promise.all([...Array.from({ length: 50 }, () => ask(WIDE)), ask(NARROW)])
  open()
  const answers = await asking
  expect(answers.map(({ rows }) => rows)).toEqual(answers.map(() => ANSWER))
  expect(runs.length).toBe(2)
  expect(answers.filter(({ ageMs }) => ageMs === null).length).toBe(2)
  expect((await ask(WIDE)).ageMs).toBeGreaterThan(0)
})

test('what was changed meanwhile is computed anew, never joined', async () => {
  const { readers, runs, open } = held()
  const asker = openAsker(readers, { timezone: 'UTC' })
  const ask = (changedAt: number) =>
    asker.ask(QUESTION, { ...formSource(form, changedAt), changedAt }, { access: WIDE, signal: NEVER })
  const asking = Promise.all([ask(2), ask(3)])
  open()
  await asking
  expect(runs.length).toBe(2)
})

test('whoever goes is answered at once and takes nothing from the others; with the last one it ends', async () => {
  const { readers, runs, open } = held()
  const asker = openAsker(readers, { timezone: 'UTC' })
  const ask = (signal: AbortSignal) => asker.ask(QUESTION, formSource(form, 3), { access: WIDE, signal })
  const [first, second] = [new AbortController(), new AbortController()]
  const asking = [ask(first.signal), ask(second.signal), ask(NEVER)] as const
  first.abort()
  await expect(asking[0]).rejects.toThrow(Busy)
  expect(runs.map(({ aborted }) => aborted)).toEqual([false])
  second.abort()
  await expect(asking[1]).rejects.toThrow(Busy)
  open()
  expect((await asking[2]).rows).toEqual(ANSWER)

  const again = held()
  const alone = openAsker(again.readers, { timezone: 'UTC' })
  const gone = new AbortController()
  const ended = alone.ask(QUESTION, formSource(form, 3), { access: WIDE, signal: gone.signal })
  gone.abort()
  const later = alone.ask(QUESTION, formSource(form, 3), { access: WIDE, signal: NEVER })
  again.open()
  await expect(ended).rejects.toThrow()
  expect((await later).rows).toEqual(ANSWER)
  expect(again.runs.map(({ aborted }) => aborted)).toEqual([true, false])
})

test('a question that fails fails for all who wait, and is asked anew after', async () => {
  let runs = 0
  const run: Readers['run'] = async (signal, work) => {
    runs += 1
    await new Promise(setImmediate)
    if (runs === 1) throw new Busy('many')
    return projected.readers.run(signal, work)
  }
  const asker = openAsker({ run, close: () => undefined }, { timezone: 'UTC' })
  const ask = () => asker.ask(QUESTION, formSource(form, 3), { access: WIDE, signal: NEVER })
  const results = await Promise.allSettled([ask(), ask()])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect((await ask()).rows).toEqual(ANSWER)
  expect(runs).toBe(2)
})

test('headline numbers that are asked for at once are read from the rows once', async () => {
  const { readers, runs, open } = held()
  const idle = new Keeper({ bytesMax: 0, warn: () => undefined })
  const { projection } = projected
  const metrics = openMetrics({ readers, keeper: idle, projection, timezone: 'UTC' })
  const query = { timezone: 'UTC', bucket: 'day', fromMs: NOW_MS - 86_400_000, toMs: NOW_MS } as const
  const asking = Promise.all(
    Array.from({ length: 20 }, () => metrics.of(form, query, { nowMs: NOW_MS, signal: NEVER })),
  )
  open()
  const answers = await asking
  expect(answers.map((answer) => answer.metrics.totals.completed)).toEqual(answers.map(() => 3))
  expect(runs.length).toBe(1)
  expect(answers.map(({ source }) => source)).toEqual(['rows', ...Array.from({ length: 19 }, () => 'kept')])
})
