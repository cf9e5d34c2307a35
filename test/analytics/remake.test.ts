/** Files of the engine that take over from each other: by a rebuild, after an erasure, and where the log is another one. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { FieldInfo, Json, LoggedEvent, RouteResponse } from '../../core/contract/index.ts'
import { Generations } from '../../plugins/analytics/life/generations.ts'
import { Annotations } from '../../plugins/analytics/annotations/annotations.ts'
import { answerMetrics } from '../../plugins/analytics/metrics/route.ts'
import { NEVER, NO_FORMS } from '../support/projected.ts'
import { tempDir } from '../support/temp.ts'
import { mountTmpfs } from '../support/tmpfs.ts'
import { until } from '../support/wait.ts'

const CANARY = 'canary-7f3a-sings-in-the-coal-mine'
const FIELDS: FieldInfo[] = (['name', 'n'] as const).map((key) => ({
  key,
  label: key,
  type: key === 'n' ? 'number' : 'text',
  required: false,
  pii: key === 'name',
}))

class Log {
  readonly events: LoggedEvent[] = []
  readonly erased = new Set<number>()

  submit(data: Record<string, Json>): void {
    const at = new Date().toISOString()
    const seq = this.events.length + 1
    this.#add('response.submitted', {
      data,
      response: { id: `rsp_${seq}`, status: 'completed', startedAt: null, submittedAt: at },
    })
  }

  visit(path: string): void {
    this.#add('track.page_view', { data: { anonymous_id: 'v', page: { path } } })
  }

  /** What was submitted leaves the log, too. */
  erase(id: string): void {
    for (const { seq, response } of this.events) if (response?.id === id) this.erased.add(seq)
    this.#add('response.deleted', { data: { id } })
  }

  #add(type: LoggedEvent['type'], parts: Partial<LoggedEvent>): void {
    const seq = this.events.length + 1
    const form = { id: 'f', name: 'F', version: 1, fields: FIELDS }
    this.events.push({ seq, id: `evt_${seq}`, type, v: 1, at: '2026-11-27T12:00:00.000Z', form, ...parts })
  }
}

interface Opened {
  readonly generations: Generations
  /** What a question for headline numbers is answered with. */
  ask(): Promise<RouteResponse>
  /** Started, and the sum of `n`. */
  numbers(): Promise<readonly [number, number]>
  /** What all its files hold. */
  bytes(): Promise<string>
}

const said: string[] = []

const NOTHING_KEPT = { set: () => {}, delete: () => {}, list: async () => ({ keys: [], next: null }) }

async function openOn(log: Log, dir: string, { grant = 'all', rewriteAfterS = 3_600 } = {}): Promise<Opened> {
  const generations = await Generations.open({
    config: {
      timezone: 'UTC',
      memoryMb: 256,
      countsMb: 16,
      queryTimeoutMs: 5_000,
      slowQueryMs: 1_000,
      openFields: [],
      rewriteAfterS,
    },
    installation: 'analytics',
    workspace: 'default',
    dir,
    grant,
    cache: { get: async () => null, put: async () => undefined, textBytesMax: async () => 0 },
    log: {
      read: async ({ after, limit }) => {
        const next = Math.min(after + limit, log.events.length)
        return { events: log.events.slice(after, next).filter(({ seq }) => !log.erased.has(seq)), next }
      },
      head: async () => log.events.length,
    },
    forms: NO_FORMS,
    ladder: { read: async () => null, held: async () => null },
    say: (_level, message) => void said.push(message),
  })
  const ask = (): Promise<RouteResponse> => {
    const request = { method: 'GET', path: '', params: { id: 'f' }, query: {}, headers: {}, body: '', form: [] }
    return generations.route(NEVER, ({ metrics, projection, forms }) =>
      answerMetrics(request, {
        metrics,
        projection,
        forms,
        annotations: new Annotations(),
        kv: NOTHING_KEPT,
        signal: NEVER,
        metric: () => {},
      }),
    )
  }
  return {
    generations,
    ask,
    numbers: async () => {
      const { json } = await ask()
      const { totals, fields } = json as unknown as {
        totals: { started: number }
        fields: { key: string; numbers: { sum: number } }[]
      }
      return [totals.started, fields.find(({ key }) => key === 'n')?.numbers.sum ?? 0]
    },
    bytes: async () => {
      const names = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((each) => each.isFile())
      return (await Promise.all(names.map(({ name, parentPath }) => readFile(join(parentPath, name), 'latin1')))).join()
    },
  }
}

async function folder(): Promise<string> {
  const dir = await tempDir('remake')
  onTestFinished(() => dir[Symbol.asyncDispose]())
  return dir.path
}

test('a rebuild comes to the same while questions go on, and says where it does not', async () => {
  const log = new Log()
  for (let n = 1; n <= 400; n += 1) log.submit({ name: `name ${n}`, n: n / 4 })
  const { generations, numbers } = await openOn(log, await folder())
  for (const path of ['/', '/a', '/b']) log.visit(path)
  expect(await numbers()).toEqual([400, 20_050])
  const done = async (): Promise<ReturnType<Generations['rebuilt']>> => {
    await generations.rebuild()
    let asked = 400
    await until('the rebuild to end', async () => {
      log.submit({ n: 0 })
      generations.poke()
      asked += 1
      const [started] = await numbers()
      expect(started).toBeGreaterThanOrEqual(400)
      return generations.rebuilt()?.state !== 'running'
    })
    return generations.rebuilt()
  }
  expect(await done()).toMatchObject({
    state: 'done',
    error: null,
    compared: { forms: [{ formId: 'f', isEqual: true }], events: { before: { count: 3 }, isEqual: true } },
  })
  expect(await numbers()).toEqual([log.events.length - 3, 20_050])
  // What the log tells is what counts, to the letter.
  Object.assign(log.events[1]?.data ?? {}, { name: 'somebody else' })
  expect(await done()).toMatchObject({
    state: 'done',
    compared: { forms: [{ formId: 'f', isEqual: false }], events: { isEqual: true } },
  })
  Object.assign(log.events[0]?.data ?? {}, { n: 1_000.25 })
  Object.assign(log.events[401]?.data ?? {}, { name: 'another' })
  expect(await done()).toMatchObject({
    state: 'done',
    compared: { forms: [{ formId: 'f', isEqual: false }], events: { before: { count: 3 }, isEqual: false } },
  })
  expect(await numbers()).toEqual([log.events.length - 3, 21_050])
  await generations.close()
})

test.each([
  [0.1, 0.2, -0.3],
  [1e14, 0.01, -1e14],
])('a rebuild sees no difference where numbers cancel: %f, %f and %f', async (...given) => {
  const log = new Log()
  for (const n of given) log.submit({ n })
  const { generations, ask } = await openOn(log, await folder())
  // Numbers of the first file come from counts, those of the second may still be read from its rows.
  await until('it to be counted', async () => {
    log.submit({})
    generations.poke()
    return JSON.stringify((await ask()).headers).includes('counts')
  })
  await generations.rebuild()
  await until('the rebuild to end', () => generations.rebuilt()?.state !== 'running')
  expect(generations.rebuilt()).toMatchObject({ state: 'done', compared: { forms: [{ formId: 'f', isEqual: true }] } })
  await generations.close()
})

test('bytes of what was erased leave the folder; what is left is all there, also after a new start', async () => {
  const dir = await folder()
  const log = new Log()
  for (let n = 1; n <= 50; n += 1) log.submit({ name: n === 7 ? CANARY : `name ${n}`, n: 1 })
  const first = await openOn(log, dir, { rewriteAfterS: 0 })
  expect(await first.numbers()).toEqual([50, 50])
  expect(await first.bytes()).toContain(CANARY)
  log.erase('rsp_7')
  first.generations.poke()
  expect(await first.numbers()).toEqual([49, 49])
  await until('the bytes to be gone', async () => !(await first.bytes()).includes(CANARY))
  log.submit({ n: 1 })
  expect(await first.numbers()).toEqual([50, 50])
  await first.generations.close()
  const second = await openOn(log, dir)
  expect(await second.numbers()).toEqual([50, 50])
  expect(await second.bytes()).not.toContain(CANARY)
  await second.generations.close()
})

test('under another grant, and beside another log, nothing of what was kept stays', async () => {
  const dir = await folder()
  const log = new Log()
  for (let n = 1; n <= 20; n += 1) log.submit({ name: CANARY, n: 1 })
  const first = await openOn(log, dir)
  expect(await first.numbers()).toEqual([20, 20])
  await first.generations.close()
  for (const { data } of log.events) delete (data as { [key: string]: Json })['name']
  const narrowed = await openOn(log, dir, { grant: 'no names' })
  expect([await narrowed.numbers(), (await narrowed.bytes()).includes(CANARY)]).toEqual([[20, 20], false])
  await narrowed.generations.close()
  // A backup was put back, and life went on from there.
  log.events.splice(10)
  const restored = await openOn(log, dir, { grant: 'no names' })
  expect(await restored.numbers()).toEqual([10, 10])
  await restored.generations.close()
  log.events.splice(5)
  for (let n = 1; n <= 30; n += 1) log.submit({ n: 2 })
  for (const [n, event] of log.events.entries()) if (n >= 5) Object.assign(event, { id: `evt_other_${n}` })
  const other = await openOn(log, dir, { grant: 'no names' })
  expect(await other.numbers()).toEqual([35, 65])
  await other.generations.close()
  expect(said.filter((message) => message.startsWith('the projection is made anew'))).toEqual([
    'the projection is made anew: what it may see has changed',
    'the projection is made anew: the log ends before what was read',
    'the projection is made anew: the log has something else where it was read last',
  ])
})

const answers = async ({ ask }: Opened): Promise<boolean> => (await ask()).status !== 503

test('an engine that is done for is opened again, and what came meanwhile is there', async () => {
  await using disk = await mountTmpfs(32 * 1_048_576)
  const log = new Log()
  for (let n = 1; n <= 20; n += 1) log.submit({ n: 1 })
  const opened = await openOn(log, disk.path)
  expect(await opened.numbers()).toEqual([20, 20])
  await disk.fill()
  const { status } = await opened.generations.route(NEVER, async ({ database }) => {
    await database.writer.run('CHECKPOINT')
    return {}
  })
  expect(status).toBe(503)
  log.submit({ n: 5 })
  opened.generations.poke()
  await disk.free()
  await until('it to answer', () => answers(opened))
  expect(await opened.numbers()).toEqual([21, 25])
  expect(said).toContain('the engine is done for; its file is opened again')
  await opened.generations.close()
})

test('a file that is damaged while it is open is made anew from the log', async () => {
  const dir = await folder()
  const log = new Log()
  for (let n = 1; n <= 500; n += 1) log.submit({ name: `name ${n}`, n: 2 })
  const before = await openOn(log, dir)
  await before.numbers()
  await before.generations.close()
  const opened = await openOn(log, dir)
  const file = join(dir, 'analytics-1.duckdb')
  const { size } = await stat(file)
  await writeFile(file, Buffer.concat([(await readFile(file)).subarray(0, 12_288), Buffer.alloc(size - 12_288, 7)]))
  await until('it to answer', () => answers(opened))
  expect(await opened.numbers()).toEqual([500, 1_000])
  expect(said).toContain('the engine is done for; its file is made anew from the log')
  await opened.generations.close()
})
