/** What the log may tell, and what somebody may do to a form: the projection stands, and read again it comes to the same. */
import { expect, test } from 'vitest'
import type { FieldInfo, Json, LoggedEvent } from '../../core/contract/index.ts'
import { openDatabase } from '../../plugins/analytics/engine/database.ts'
import { openProjection } from '../../plugins/analytics/engine/projection.ts'
import { openReaders } from '../../plugins/analytics/engine/readers.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { NEVER, WIDE } from '../support/projected.ts'
import { tempDir } from '../support/temp.ts'

const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})

const submitted = (seq: number, version: number, [fields, data]: [FieldInfo[], Record<string, Json>]): LoggedEvent => ({
  seq,
  id: `evt_${seq}`,
  type: 'response.submitted',
  v: 1,
  at: '2026-11-27T12:00:00.000Z',
  data,
  form: { id: 'f', name: 'F', version, fields },
  response: { id: `rsp_${seq}`, status: 'completed', startedAt: null, submittedAt: '2026-11-27T12:00:00.000Z' },
})
const formDeleted = (seq: number): LoggedEvent => ({
  seq,
  id: `evt_${seq}`,
  type: 'form.deleted',
  v: 1,
  at: '2026-11-27T12:00:00.000Z',
  data: { id: 'f' },
})

const NOBODY = { wants: () => false, changed: () => {} }

/** What there is to know after the log was read in stretches of this size. */
async function answers(log: readonly LoggedEvent[], size: number): Promise<unknown> {
  await using dir = await tempDir('projection')
  const database = await openDatabase({ dir: dir.path, file: 'a.duckdb', memoryMb: 256, warn: () => {} })
  const projection = await openProjection(database, NOBODY)
  const readers = await openReaders(database, 10_000)
  for (let at = 0; at < log.length; at += size) {
    const part = log.slice(at, at + size)
    await projection.apply(part, part.at(-1)?.seq ?? 0)
  }
  const form = projection.form('f')
  const asker = openAsker(readers, { timezone: 'UTC' })
  const found: unknown[] = []
  for (const { key } of form?.fields ?? []) {
    const question = readQuestion(
      JSON.stringify({ form_id: 'f', aggregate: { fn: 'count' }, group_by: key, include: 'all' }),
    )
    if (form !== undefined)
      found.push((await asker.ask(question, formSource(form, 0), { access: WIDE, signal: NEVER })).rows)
  }
  readers.close()
  database.close()
  return found
}

const TEXT = [field('x', 'text')]
const NUMBER = [field('x', 'number')]
const LIST = [field('x', 'multi_select')]

test.each<[string, LoggedEvent[], unknown]>([
  [
    'half a character',
    [submitted(1, 1, [TEXT, { x: 'a\ud800b' }]), submitted(2, 1, [TEXT, { x: 'ok' }])],
    [
      [
        { x: 'a\ufffdb', value: 1 },
        { x: 'ok', value: 1 },
      ],
    ],
  ],
  [
    'a type that changes, and a field that comes with it',
    [
      submitted(1, 1, [TEXT, { x: 'a' }]),
      submitted(2, 2, [[...NUMBER, field('y', 'text')], { x: 7, y: 'b' }]),
      submitted(3, 1, [TEXT, { x: 'late' }]),
    ],
    [
      [
        { x: null, value: 2 },
        { x: 7, value: 1 },
      ],
      [
        { y: null, value: 2 },
        { y: 'b', value: 1 },
      ],
    ],
  ],
  [
    'a text that looks like a list',
    [submitted(1, 1, [TEXT, { x: '[p, q]' }]), submitted(2, 2, [LIST, { x: ['p'] }])],
    [
      [
        { x: 'p', value: 1 },
        { x: null, value: 1 },
      ],
    ],
  ],
  ['a deleted form', [submitted(1, 1, [TEXT, { x: 'a' }]), formDeleted(2)], []],
  [
    'a form that is made again under its name',
    [
      submitted(1, 3, [TEXT, { x: 'old' }]),
      formDeleted(2),
      submitted(3, 1, [NUMBER, { x: 1 }]),
      submitted(4, 1, [NUMBER, { x: 1 }]),
    ],
    [[{ x: 1, value: 2 }]],
  ],
])('%s: however the log is cut, the same answers', async (_what, log, wanted) => {
  for (const size of [log.length, 1, 2]) expect(await answers(log, size), `${size} at a time`).toEqual(wanted)
})

test('a file that another process has open is waited for, never thrown away', async () => {
  await using dir = await tempDir('projection-lock')
  const first = await openDatabase({ dir: dir.path, file: 'a.duckdb', memoryMb: 256, warn: () => {} })
  const projection = await openProjection(first, NOBODY)
  await projection.apply([submitted(1, 1, [TEXT, { x: 'a' }])], 1)
  const { execFile } = await import('node:child_process')
  const { promisify } = await import('node:util')
  const database = new URL('../../plugins/analytics/engine/database.ts', import.meta.url).href
  const script = `const { openDatabase, rowsOf } = await import(${JSON.stringify(database)})
    const warn = (message) => console.log(message)
    const { writer } = await openDatabase({ dir: ${JSON.stringify(dir.path)}, file: 'a.duckdb', memoryMb: 256, warn })
    console.log(JSON.stringify(await rowsOf(writer, 'SELECT applied FROM progress')))
    process.exit(0)`
  const other = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  setTimeout(() => first.close(), 1_500)
  expect((await other).stdout.trim()).toBe('[{"applied":1}]')
})
