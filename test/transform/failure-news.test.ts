/** How failing transforms are told: a flood does not fill the log, and each of it is in a number. */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../../core/errors.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import { FAILURE_WINDOW_MS, openFailureNews } from '../../core/transform/failure-news.ts'

interface Line {
  readonly message: string
  readonly installation?: string
  readonly code?: string
  readonly response?: string
  readonly more?: number
}

function world() {
  const lines: Line[] = []
  const never = (): never => {
    throw new Error('said at another level')
  }
  const logger: Logger = {
    debug: never,
    info: never,
    warn: (fields, message) => void lines.push({ ...fields, message }),
    error: never,
    child: () => logger,
  }
  const clock = createManualClock(0)
  const news = openFailureNews({ logger, clock })
  let n = 0
  const fail = (installation: string, code: ErrorCode, workspace = 'default'): void => {
    n += 1
    const who = { workspace, installation, plugin: 'p', run: `run_${n}`, response: `rsp_${n}` }
    news.tell({ ...who, code, error: `failure ${n}`, whenFails: 'open' })
  }
  return { lines, clock, news, fail, pass: (ms: number) => clock.moveTo(clock.nowMs() + ms) }
}

test('the first of each installation and code is told at once, the rest with their number when the window is over', () => {
  const { lines, fail, pass } = world()
  for (let n = 0; n < 5_000; n += 1) {
    fail('a', 'plugin_threw')
    fail('a', 'plugin_wall')
    fail('b', 'plugin_threw')
  }
  expect(lines.map(({ installation, code, message }) => [installation, code, message])).toEqual([
    ['a', 'plugin_threw', 'a transform failed'],
    ['a', 'plugin_wall', 'a transform failed'],
    ['b', 'plugin_threw', 'a transform failed'],
  ])
  expect(lines[0]).toMatchObject({ run: 'run_1', response: 'rsp_1', error: 'failure 1', whenFails: 'open' })
  pass(FAILURE_WINDOW_MS)
  expect(lines.slice(3).map(({ installation, code, more }) => [installation, code, more])).toEqual([
    ['a', 'plugin_threw', 4_999],
    ['a', 'plugin_wall', 4_999],
    ['b', 'plugin_threw', 4_999],
  ])
  expect(lines[3]).toMatchObject({ response: 'rsp_14998', withinS: 60 })
})

test('while it goes on there is one line a window; after a quiet one the next is told at once', () => {
  const { lines, fail, pass } = world()
  fail('a', 'plugin_threw')
  fail('a', 'plugin_threw')
  pass(FAILURE_WINDOW_MS)
  fail('a', 'plugin_threw')
  fail('a', 'plugin_threw')
  expect(lines).toHaveLength(2)
  pass(FAILURE_WINDOW_MS)
  expect(lines.map(({ more }) => more)).toEqual([undefined, 1, 2])
  pass(FAILURE_WINDOW_MS)
  expect(lines).toHaveLength(3)
  fail('a', 'plugin_threw')
  expect(lines.map(({ more }) => more)).toEqual([undefined, 1, 2, undefined])
})

test('one workspace is not another; what is counted when the hub ends is told', () => {
  const { lines, fail, news, pass } = world()
  fail('a', 'plugin_threw', 'one')
  fail('a', 'plugin_threw', 'two')
  expect(lines).toHaveLength(2)
  fail('a', 'plugin_threw', 'two')
  news.close()
  expect(lines.map(({ more }) => more)).toEqual([undefined, undefined, 1])
  pass(2 * FAILURE_WINDOW_MS)
  expect(lines).toHaveLength(3)
})
