/** What an entry of the history holds of a run: names and sizes within bounds, and no secret. */
import { expect, test } from 'vitest'
import { createMask } from '../../core/capabilities/mask.ts'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { recordOf } from '../../core/runs/record.ts'
import type { RunEnd } from '../../core/runs/record.ts'
import { NO_EFFECTS } from '../../core/sandbox/report.ts'
import { runEnd } from './run-end.ts'

const CANARY = 'canary-0123456789abcdef'
const mask = createMask([CANARY])
const line = (message: string) => ({ level: 'info', message }) as const
const result = (changes: Partial<NonNullable<RunEnd['result']>>): NonNullable<RunEnd['result']> => ({
  ...(runEnd().result as NonNullable<RunEnd['result']>),
  ...changes,
})

test('effects are keys and sizes, and no value', () => {
  const delivery = { id: 'dlv_1', kind: 'action', name: 'post', key: 'the key', input: '{"answer":"private"}' }
  const { effects } = recordOf(
    runEnd({
      effects: {
        deliveries: [delivery as never],
        kv: [
          { key: 'seen', value: '"privaté"', expiresAtMs: null },
          { key: 'gone', value: undefined, expiresAtMs: null },
        ],
        events: [{ id: 'evt_1', type: 'plugin.x.said', data: '{"answer":"private"}' } as never],
        tallies: [{ name: 'seen', by: 2 }],
      },
      result: result({ effects: { ...NO_EFFECTS, metric: [{ name: 'posts', by: 1 }] } }),
    }),
    LIMITS,
  )
  expect(effects).toEqual([
    { kind: 'enqueue', action: 'post', key: 'the key', deliveryId: 'dlv_1' },
    { kind: 'kv', key: 'seen', bytes: 10 },
    { kind: 'kv', key: 'gone', bytes: null },
    { kind: 'emit', type: 'plugin.x.said', eventId: 'evt_1' },
    { kind: 'tally', name: 'seen', by: 2 },
    { kind: 'metric', name: 'posts', by: 1 },
  ])
})

test('log lines are kept up to their bytes; the rest is counted with what the sandbox dropped', () => {
  const lines = Array.from({ length: 100 }, (_, n) => line(`${n} ${'é'.repeat(500)}`))
  const { logs, leftOut } = recordOf(runEnd({ result: result({ logs: lines, logsDropped: 7 }) }), LIMITS)
  const bytes = logs.reduce((sum, each) => sum + Buffer.byteLength(JSON.stringify(each)), 0)
  expect(logs).toEqual(lines.slice(0, logs.length))
  expect(bytes).toBeLessThanOrEqual(LIMITS.runLogBytesMax)
  expect(bytes).toBeGreaterThan(LIMITS.runLogBytesMax - 1_100)
  expect(leftOut).toBe(100 - logs.length + 7)
})

test('effects and requests are kept up to their bytes; the rest is counted', () => {
  const kv = Array.from({ length: 100 }, (_, n) => ({ key: `${n} ${'k'.repeat(400)}`, value: '1', expiresAtMs: null }))
  const { exchanges } = runEnd({ requests: 200, urlChars: 400 })
  const record = recordOf(runEnd({ effects: { ...runEnd().effects, kv }, exchanges }), LIMITS)
  for (const list of [record.effects, record.requests]) {
    const bytes = list.reduce((sum, each) => sum + Buffer.byteLength(JSON.stringify(each)), 0)
    expect(bytes).toBeLessThanOrEqual(LIMITS.runEffectsBytesMax)
    expect(bytes).toBeGreaterThan(LIMITS.runEffectsBytesMax - 600)
  }
  expect(record.leftOut).toBe(100 - record.effects.length + 200 - record.requests.length)
})

test('requests are told without query and fragment', () => {
  const { exchanges } = runEnd({ requests: 1 })
  const urls = ['https://x.example/a/b?answer=private#x', 'https://x.example/#private', 'https://x.example/a']
  const told = recordOf(
    runEnd({ exchanges: urls.map((url) => ({ ...(exchanges[0] as (typeof exchanges)[number]), url })) }),
    LIMITS,
  ).requests
  expect(told.map(({ url }) => url)).toEqual(['https://x.example/a/b', 'https://x.example/', 'https://x.example/a'])
})

test('a secret shows nowhere: not in lines, fields, keys, names, error or stack', () => {
  const stack = `${CANARY}\n    at ${CANARY}.ts:1:2\n    at index.ts:3:4`
  const cause = Object.assign(new Error(CANARY), { stack })
  const record = recordOf(
    runEnd({
      effects: {
        deliveries: [{ id: 'dlv_1', name: 'post', key: CANARY } as never],
        kv: [{ key: `a ${CANARY}`, value: '1', expiresAtMs: null }],
        events: [],
        tallies: [{ name: CANARY, by: 1 }],
      },
      result: result({
        logs: [{ level: 'info', message: `x${CANARY}`, fields: { [CANARY]: [{ deep: `${CANARY}!` }], n: 1 } }],
        effects: { ...NO_EFFECTS, metric: [{ name: CANARY, by: 1 }] },
      }),
      failure: { code: 'plugin_threw', error: `threw ${CANARY} (index.ts:3:4)`, cause },
      mask,
    }),
    LIMITS,
  )
  expect(JSON.stringify(record)).not.toContain(CANARY)
  expect(record).toMatchObject({
    outcome: 'failed',
    error: 'threw [secret] (index.ts:3:4)',
    stack: 'at [secret].ts:1:2\nat index.ts:3:4',
    logs: [{ message: 'x[secret]', fields: { n: 1 } }],
  })
})

test('an error without a place has no stack', () => {
  const failure = { code: 'http_500', error: 'It answered 500.', cause: new HubError('internal', 'x') }
  expect(recordOf(runEnd({ failure: { ...failure, cause: undefined } }), LIMITS)).toMatchObject({
    error: 'It answered 500.',
    stack: null,
  })
})
