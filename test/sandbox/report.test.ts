/** The hub's side of the border: a guest that tampered with its half of the bridge gets nothing past these checks. */
import { describe, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { shareOut } from '../../core/sandbox/plan.ts'
import { readFindings } from '../../core/sandbox/read-findings.ts'
import type { GuestReport } from '../../core/sandbox/protocol.ts'
import { parseReports, readError, readLogs, readResult, readSurface } from '../../core/sandbox/report.ts'
import type { RunInput } from '../../core/sandbox/sandbox.ts'
import { UNIT_LIMITS } from './harness.ts'

const event: RunInput = { kind: 'event', type: 'x', eventJson: '{}' }
const action: RunInput = { kind: 'action', name: 'a', itemsJson: ['{}', '{}'] }
const route: RunInput = {
  kind: 'route',
  name: 'GET /',
  request: { method: 'GET', path: '/', params: {}, query: {}, headers: {}, form: [], scopes: [], body: '' },
}
const transform: RunInput = { kind: 'transform', name: 'contact', responseJson: '{}' }
const BUNDLE = { pluginId: 'p', version: '1.0.0', code: '', sourceMap: '', hash: '' }
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)])
const read = (report: object, input: RunInput = event, opsBefore = 0) =>
  readResult(
    { l: 1, r: 0, ...report },
    { input, limits: UNIT_LIMITS, bounds: LIMITS, opsBefore, chars: JSON.stringify(report).length },
  )
const codeOf = (report: object, input?: RunInput, opsBefore?: number): string => {
  try {
    read(report, input, opsBefore)
    return 'accepted'
  } catch (error) {
    return error instanceof HubError ? error.code : String(error)
  }
}

test.each([
  ['no JSON', '{'],
  ['no array', '{"l":1,"r":0}'],
  ['no lane', '[{"r":0}]'],
  ['a fraction as run', '[{"l":1,"r":0.5}]'],
  ['null', '[null]'],
])('reports that are %s are unreadable', (_, text) => {
  expect(parseReports(text)).toBeNull()
})

describe('effects', () => {
  test.each<[string, object]>([
    ['enqueue without input', { q: [{ action: 'a' }] }],
    ['enqueue of no action', { q: [{ input: 1 }] }],
    ['enqueue with a key of a megabyte', { q: [{ action: 'a', input: 1, key: 'k'.repeat(1e6) }] }],
    ['enqueue into the past', { q: [{ action: 'a', input: 1, delayMs: -1 }] }],
    ['enqueue nested too deeply', { q: [{ action: 'a', input: deep(40) }] }],
    ['kv without key', { k: [{ value: 1 }] }],
    ['kv with a value over the limit in bytes', { k: [{ key: 'k', value: 'ü'.repeat(40_000) }] }],
    ['kv with an endless key', { k: [{ key: 'k'.repeat(513), value: 1 }] }],
    ['kv with a ttl of text', { k: [{ key: 'k', value: 1, ttlMs: '1' }] }],
    ['emit of an array', { m: [{ name: 'n', data: [] }] }],
    ['a tally of text', { t: [{ name: 'n', by: 'x' }] }],
    ['a metric without name', { p: [{ by: 1 }] }],
  ])('%s is an invalid result', (_, effects) => {
    expect(codeOf({ e: effects })).toBe('plugin_invalid_result')
  })

  test.each<[string, (text: string) => object]>([
    ['inputs', (text) => ({ q: [1, 2, 3, 4, 5].map(() => ({ action: 'a', input: text })) })],
    ['events', (text) => ({ m: [1, 2, 3, 4, 5].map(() => ({ name: 'n', data: { text } })) })],
    ['kv values', (text) => ({ k: [1, 2, 3, 4, 5].map((n) => ({ key: `${n}`, value: text })) })],
    [
      'all together',
      (text) => ({
        q: [1, 2].map(() => ({ action: 'a', input: text })),
        m: [1, 2].map(() => ({ name: 'n', data: { text } })),
        k: [{ key: 'k', value: text }],
      }),
    ],
  ])('are counted in bytes: %s', (_, effects) => {
    expect(codeOf({ e: effects('x'.repeat(50_000)) })).toBe('accepted')
    expect(codeOf({ e: effects('ü'.repeat(27_000)) })).toBe('plugin_invalid_result')
  })

  test('are counted together with the calls that already crossed', () => {
    const t = Array.from({ length: 30 }, () => ({ name: 'n', by: 1 }))
    expect(codeOf({ e: { t } }, event, 20)).toBe('accepted')
    expect(codeOf({ e: { t } }, event, 21)).toBe('capability_limit')
  })

  test('keep only what the contract names', () => {
    const { effects } = read({
      e: { q: [{ action: 'a', input: { __proto__: null, x: 1 }, id: 'dlv_forged' }], z: [1] },
    })
    expect(effects).toEqual({ enqueue: [{ action: 'a', input: { x: 1 } }], kv: [], emit: [], tally: [], metric: [] })
  })
})

test.each<[string, RunInput, unknown]>([
  ['text as outcome', action, 'delivered'],
  ['an unknown outcome', action, [{ outcome: 'perhaps' }, null]],
  ['one outcome too few', action, [{ outcome: 'delivered' }]],
  ['a retry in the past', action, { outcome: 'retry', reason: 'x', afterMs: -5 }],
  ['a dead letter without code', action, { outcome: 'dead', message: 'x' }],
  ['a request to send that is none', action, { outcome: 'send', request: 'https://example.com' }],
  ['no route answer', route, undefined],
  ['a status out of range', route, { status: 99 }],
  ['a header that is no string', route, { headers: { a: 1 } }],
  ['a body over a megabyte', route, { body: 'x'.repeat(LIMITS.pluginRouteBodyBytesMax + 1) }],
  ['both body and json', route, { body: '', json: 1 }],
])('%s is an invalid result', (_, input, v) => {
  expect(codeOf({ v }, input)).toBe('plugin_invalid_result')
})

test('logs are cut, counted and cleaned', () => {
  const g = [
    { level: 'info', message: 'x'.repeat(1e5), fields: { big: 'y'.repeat(1e5) } },
    { level: 'root', message: 'no such level' },
    { level: 'warn', message: 'm', at: "a place of the plugin's making" },
    ...Array.from({ length: 199 }, () => ({ level: 'warn', message: 'm', fields: { a: 1 } })),
  ]
  const scope = { limits: UNIT_LIMITS, bounds: LIMITS, bundle: BUNDLE, before: { logs: [], dropped: 0 } }
  const { logs, dropped } = readLogs({ l: 1, r: 0, g, d: -7 }, scope)
  expect(logs).toHaveLength(99)
  expect(logs[0]?.message.length).toBeLessThan(2_100)
  expect(logs[0]).not.toHaveProperty('fields')
  expect(logs[1]).toEqual({ level: 'warn', message: 'm' })
  expect(logs[2]).toEqual({ level: 'warn', message: 'm', fields: { a: 1 } })
  expect(dropped).toBe(102)
})

test('findings of a check are few, and say where', () => {
  const read = (value: unknown) => readFindings(value, LIMITS)
  expect(read(undefined)).toEqual([])
  const finding = { level: 'error', message: 'The token has expired.', at: '/token' }
  expect(read([{ ...finding, more: 1 }])).toEqual([finding])
  expect(read([{ level: 'info', message: 'm'.repeat(5_000) }])[0]?.message).toHaveLength(LIMITS.pluginLogLineCharsMax)
  const many = (count: number): object[] => Array.from({ length: count }, () => finding)
  expect(read(many(LIMITS.pluginFindingsMax))).toHaveLength(LIMITS.pluginFindingsMax)
  const wrong: readonly [unknown, string][] = [
    [many(LIMITS.pluginFindingsMax + 1), 'at most 50 findings, not 51'],
    [finding, 'answers a list of findings'],
    [[{ ...finding, level: 'fatal' }], 'the level of a finding'],
    [[{ level: 'error' }], 'needs a message'],
    [[{ ...finding, at: 'token' }], 'a JSON pointer'],
    [[{ ...finding, at: `/${'x'.repeat(300)}` }], 'a JSON pointer'],
    [[null], 'the level of a finding'],
  ]
  for (const [value, message] of wrong) expect(() => read(value)).toThrow(message)
})

test('errors and surfaces are text of bounded length, whatever was sent', () => {
  expect(readError('boom')).toBeNull()
  expect(readError({ name: 1, message: 'm'.repeat(1e6), stack: {}, code: ['x'] })).toEqual({
    name: '',
    message: 'm'.repeat(2_001),
    stack: '',
  })
  const none = { on: [], actions: [], schedules: [], routes: [], transform: false, check: false }
  expect(readSurface('nonsense')).toEqual(none)
  expect(readSurface('{"on":["a",1,null],"actions":{},"transform":"yes"}')).toEqual({ ...none, on: ['a'] })
  expect(readSurface('{"transform":true,"check":1}')).toEqual({ ...none, transform: true })
  expect(readSurface('{"check":true}')).toEqual({ ...none, check: true })
})

test('CPU time is shared by the runs that a slice executed', () => {
  const reports = [0, 1, 2].map((r) => ({ l: 1, r }))
  const open = new Map([
    [1, { remaining: 5 }],
    [2, { remaining: 1 }],
  ])
  const share = (slice: GuestReport[], lanes: number[]) =>
    shareOut({ reports: slice, lanes, cpuUs: 1_000, readingUs: 500, open }).cpu
  expect(share(reports, [1, 2])).toEqual({ shareUs: 200, readingUs: 100, isAlone: false })
  expect(share([], [2])).toEqual({ shareUs: 1_000, readingUs: 500, isAlone: true })
  expect(share([{ l: 2, r: 0 }], [2])).toEqual({ shareUs: 1_000, readingUs: 500, isAlone: true })
})

describe('verdicts of transforms', () => {
  test('nothing is keep; what is made with keep, flag and reject passes, and nothing beside it', () => {
    const verdict = (v?: unknown) => read(v === undefined ? {} : { v }, transform).value
    expect(verdict()).toEqual({ verdict: 'keep' })
    expect(verdict(null)).toEqual({ verdict: 'keep' })
    expect(verdict({ verdict: 'keep', data: { a: 1 }, meta: { b: null }, aside: true })).toEqual({
      verdict: 'keep',
      data: { a: 1 },
      meta: { b: null },
    })
    expect(verdict({ verdict: 'flag', reason: 'x'.repeat(5_000), code: 'y' })).toEqual({
      verdict: 'flag',
      reason: 'x'.repeat(LIMITS.pluginLogLineCharsMax),
    })
    expect(verdict({ verdict: 'reject', code: 'no_links', message: 'No.' })).toEqual({
      verdict: 'reject',
      code: 'no_links',
      message: 'No.',
    })
  })

  test.each<[string, unknown]>([
    ['a text', 'keep'],
    ['another verdict', { verdict: 'store' }],
    ['answers as a list', { verdict: 'keep', data: [] }],
    ['meta of text', { verdict: 'keep', meta: 'x' }],
    ['answers nested too deeply', { verdict: 'keep', data: { a: deep(40) } }],
    ['a flag without reason', { verdict: 'flag' }],
    ['a refusal with a code of words', { verdict: 'reject', code: 'no links', message: '' }],
    ['a refusal without message', { verdict: 'reject', code: 'x' }],
  ])('%s is an invalid result', (_, v) => expect(codeOf({ v }, transform)).toBe('plugin_invalid_result'))

  test('effects are invalid however they were forged; counts are not', () => {
    for (const effects of [
      { q: [{ action: 'a', input: 1 }] },
      { k: [{ key: 'k', value: 1 }] },
      { m: [{ name: 'n', data: {} }] },
      { t: [{ name: 'n', by: 1 }] },
    ])
      expect(codeOf({ e: effects }, transform)).toBe('plugin_invalid_result')
    expect(codeOf({ e: { p: [{ name: 'n', by: 1 }] } }, transform)).toBe('accepted')
  })
})
