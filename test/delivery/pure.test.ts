/** The parts of delivery that decide without doing: states, outcomes, backoff, breakers, rates. */
import { describe, expect, test } from 'vitest'
import { delivered, ambiguous, dead, retry } from '../../core/contract/index.ts'
import { backoffMs } from '../../core/delivery/backoff.ts'
import { createBreakers } from '../../core/delivery/breaker.ts'
import { ERROR_RULINGS, receiverEvidence, rulingOf, verdictOf, type Verdict } from '../../core/delivery/outcome.ts'
import { createRateWindow } from '../../core/delivery/rate-window.ts'
import { DELIVERY_MOVES, TRANSITIONS, isTerminal, transition } from '../../core/delivery/states.ts'
import { createTokenBucket } from '../../core/delivery/token-bucket.ts'
import { ERRORS, HubError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { DEAD_REASONS, DELIVERY_STATES } from '../../core/model.ts'
import type { DeliveryState, Exchange } from '../../core/model.ts'

/** Small and fast, with a seed that a failure can name. */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}

describe('states', () => {
  test('every walk stays in the table; a terminal state is left by replay only', () => {
    const random = seeded(7)
    for (let walk = 0; walk < 500; walk++) {
      let state: DeliveryState = 'pending'
      for (let step = 0; step < 20; step++) {
        const move = DELIVERY_MOVES[Math.floor(random() * DELIVERY_MOVES.length)] ?? 'hold'
        const legal: boolean = TRANSITIONS[state][move] !== null
        expect(legal).toBe(!isTerminal(state) || move === 'replay')
        if (!legal) {
          expect(() => transition(state, move)).toThrow(/cannot/)
          continue
        }
        const before = state
        state = transition(state, move)
        if (move === 'hold') expect(state).toBe(before)
      }
    }
  })

  test('every state is reached, and every state can end', () => {
    const reached = new Set(DELIVERY_STATES.flatMap((state) => DELIVERY_MOVES.map((move) => TRANSITIONS[state][move])))
    for (const state of DELIVERY_STATES) expect(reached).toContain(state)
    expect(DELIVERY_STATES.filter(isTerminal)).toEqual(['delivered', 'dead'])
  })
})

describe('the outcome table', () => {
  test('every error code has a verdict, and what the receiver did never reads as our own failure', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const verdict = rulingOf(new HubError(code, 'x'))
      if (verdict.kind === 'retry' || verdict.kind === 'dead') expect(DEAD_REASONS).toContain(verdict.reason)
      if (Object.hasOwn(ERROR_RULINGS, code) && ERRORS[code].act === 'vendor' && verdict.kind === 'retry')
        expect(verdict.reason).toBe('receiver_failed')
      if (ERRORS[code].act === 'admin' && verdict.kind === 'dead' && code !== 'managed_by_file')
        expect(verdict.reason).toBe('config_error')
    }
  })

  test.each([
    ['plugin_interrupted', { kind: 'repeat' }],
    ['breaker_open', { kind: 'held' }],
    ['http_refused_address', { kind: 'refused', outcome: 'retry', code: 'http_refused_address' }],
    ['field_withheld', { kind: 'dead', reason: 'config_error' }],
    ['email_auth', { kind: 'refused', outcome: 'unauthorized', code: 'credential_refused' }],
    ['secret_missing', { kind: 'dead', reason: 'config_error' }],
    ['http_timeout', { kind: 'retry', reason: 'receiver_failed' }],
    ['plugin_cpu', { kind: 'retry', reason: 'internal_error' }],
    ['event_erased', { kind: 'dead', reason: 'permanent_reject' }],
  ] as const)('%s', (code, expected) => {
    expect(rulingOf(new HubError(code, 'x'))).toMatchObject(expected)
  })

  test('outcomes of plugins', () => {
    expect(verdictOf(delivered(), 'retry')).toEqual({ kind: 'delivered' })
    expect(verdictOf(retry('busy', { afterMs: 5, code: 'http_503' }), 'retry')).toMatchObject({
      kind: 'retry',
      reason: 'receiver_failed',
      afterMs: 5,
    })
    expect(verdictOf(retry('no', { code: 'http_404' }), 'retry')).toMatchObject({
      kind: 'retry',
      reason: 'permanent_reject',
    })
    expect(verdictOf(retry('slow', { code: 'http_429' }), 'retry')).toMatchObject({ reason: 'receiver_failed' })
    expect(verdictOf(dead('http_422', 'no'), 'retry')).toMatchObject({
      kind: 'dead',
      reason: 'permanent_reject',
      disable: false,
    })
    expect(verdictOf(dead('config_invalid', 'no'), 'retry')).toMatchObject({ kind: 'dead', reason: 'config_error' })
    expect(verdictOf(dead('tab_missing', 'no', { disable: true }), 'retry')).toMatchObject({
      reason: 'config_error',
      disable: true,
    })
    expect(verdictOf(ambiguous('lost'), 'retry')).toMatchObject({ kind: 'retry', outcome: 'ambiguous' })
    expect(verdictOf(ambiguous('lost'), 'dead')).toMatchObject({
      kind: 'dead',
      outcome: 'ambiguous',
      reason: 'receiver_failed',
    })
  })

  test('only an answer or a broken connection speaks about the host', () => {
    const exchange = (status: number | null, error: string | null): Exchange => ({
      method: 'POST',
      url: '',
      requestHeaders: {},
      requestBody: null,
      status,
      responseHeaders: {},
      responseBody: null,
      truncated: false,
      durationMs: 1,
      error,
    })
    const threw = rulingOf(new HubError('plugin_threw', 'x'))
    const told = (verdict: Verdict, ...exchanges: readonly Exchange[]) =>
      receiverEvidence(verdict, { exchanges, hosts: exchanges.map(() => 'a'), host: 'a' }).get('a')
    expect(told(threw)).toBe(undefined)
    expect(told(threw, exchange(200, null))).toBe('works')
    expect(told(threw, exchange(404, null))).toBe('works')
    expect(told(threw, exchange(503, null))).toBe('fails')
    expect(told(threw, exchange(429, null))).toBe('fails')
    expect(told(threw, exchange(null, 'reset'))).toBe('fails')
    expect(told(threw, exchange(503, null), exchange(200, null))).toBe('works')
    expect(told(rulingOf(new HubError('http_refused_address', 'x')), exchange(null, 'refused_by_guard'))).toBe(
      undefined,
    )
    expect(told(rulingOf(new HubError('http_connect', 'x')))).toBe('fails')
    // A mail server answers for each message: refusing one says nothing against it.
    const mail = (status: number | null, error: string | null): Exchange => ({
      ...exchange(status, error),
      method: 'SMTP',
    })
    expect([250, 450, 550, 554].map((code) => told(threw, mail(code, null)))).toEqual(
      Array.from({ length: 4 }, () => 'works'),
    )
    expect(told(threw, mail(null, 'auth'))).toBe('works')
    expect([mail(421, null), mail(null, 'connect'), mail(null, 'reset')].map((last) => told(threw, last))).toEqual(
      Array.from({ length: 3 }, () => 'fails'),
    )
    // Each exchange speaks of its own host, and of the one that was asked last only when it was reached.
    const evidence = (host: string) =>
      receiverEvidence(threw, { exchanges: [exchange(200, null), exchange(503, null)], hosts: ['a', 'b'], host })
    expect([...evidence('b')]).toEqual([
      ['a', 'works'],
      ['b', 'fails'],
    ])
    expect(evidence('c').has('c')).toBe(false)
  })
})

describe('backoff', () => {
  const retryPolicy = { delaysMs: [1_000, 5_000, 30_000] }
  const at = (step: number, more: { afterMs?: number; random?: () => number } = {}) =>
    backoffMs({ retry: retryPolicy, step, limits: LIMITS, random: more.random ?? (() => 0.5), afterMs: more.afterMs })

  test('follows the schedule with at most 20 % of jitter, and ends', () => {
    expect([at(1), at(2), at(3), at(4)]).toEqual([1_000, 5_000, 30_000, null])
    const random = seeded(11)
    const delays = Array.from({ length: 2_000 }, () => at(2, { random }) ?? 0)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(4_000)
    expect(Math.max(...delays)).toBeLessThanOrEqual(6_000)
    // Spread, not clustered: each fifth of the range has its share.
    for (let fifth = 0; fifth < 5; fifth++) {
      const share =
        delays.filter((delay) => delay >= 4_000 + fifth * 400 && delay < 4_400 + fifth * 400).length / delays.length
      expect(share).toBeGreaterThan(0.14)
    }
  })

  test('honours a wish for later up to a day, never one for earlier', () => {
    expect(at(1, { afterMs: 60_000 })).toBe(60_000)
    expect(at(3, { afterMs: 1_000 })).toBe(30_000)
    expect(at(1, { afterMs: 10 ** 12 })).toBe(LIMITS.retryAfterMsMax)
    expect(at(1, { afterMs: Number.NaN })).toBe(1_000)
    expect(at(4, { afterMs: 60_000 })).toBe(null)
  })
})

describe('breakers', () => {
  const key = { installation: 'default/crm', host: 'a.example' }
  const limits = { breakerFailuresMax: 3, breakerProbeMs: 1_000, breakerProbeMsMax: 4_000 }

  test('open after the failures in a row, tell it once, and double the wait up to its maximum', () => {
    const breakers = createBreakers(limits)
    expect(breakers.fails(key, 'r1', 0)).toBeNull()
    expect(breakers.fails(key, 'r2', 0)).toBeNull()
    expect(breakers.fails(key, 'r3', 0)).toMatchObject({ kind: 'opened', failures: 3, probeAtMs: 1_000 })
    expect(breakers.fails(key, 'r4', 10)).toBeNull()
    expect(breakers.admit(key, 'r5', 999)).toEqual({ kind: 'wait', untilMs: 1_000 })
    let atMs = 1_000
    for (const waitMs of [2_000, 4_000, 4_000]) {
      expect(breakers.admit(key, `p${atMs}`, atMs)).toEqual({ kind: 'go' })
      expect(breakers.admit(key, 'another', atMs).kind).toBe('wait')
      expect(breakers.fails(key, `p${atMs}`, atMs)).toBeNull()
      expect(breakers.admit(key, 'early', atMs + waitMs - 1).kind).toBe('wait')
      atMs += waitMs
    }
  })

  test('a success in between starts the count again; other hosts and installations know nothing of it', () => {
    const breakers = createBreakers(limits)
    breakers.fails(key, 'r', 0)
    breakers.fails(key, 'r', 0)
    expect(breakers.works(key, 0)).toBeNull()
    expect(breakers.fails(key, 'r', 0)).toBeNull()
    expect(breakers.fails(key, 'r', 0)).toBeNull()
    expect(breakers.fails(key, 'r', 0)).not.toBeNull()
    expect(breakers.admit({ ...key, host: 'b.example' }, 'r', 0)).toEqual({ kind: 'go' })
    expect(breakers.admit({ ...key, installation: 'default/other' }, 'r', 0)).toEqual({ kind: 'go' })
  })

  test('closing tells how long it was open and what died of it; a probe that says nothing leaves the door to another', () => {
    const breakers = createBreakers(limits)
    for (let n = 0; n < 3; n++) breakers.fails(key, 'r', 100)
    breakers.buried(key, 'dlv_1')
    breakers.admit(key, 'probe', 1_100)
    breakers.release(key.installation, 'probe')
    expect(breakers.admit(key, 'second', 1_100)).toEqual({ kind: 'go' })
    expect(breakers.check(key.installation, key.host, 1_100)).toBeNull()
    expect(breakers.works(key, 2_100)).toEqual({ kind: 'closed', openMs: 2_000, deadIds: ['dlv_1'] })
    expect(breakers.list()).toEqual([])
  })

  test('somebody who says that a host may work again has it probed at once; if it does not, the waits begin anew', () => {
    const breakers = createBreakers(limits)
    expect(breakers.hasten(key.installation, 0)).toEqual([])
    for (let n = 0; n < 3; n++) breakers.fails(key, 'r', 0)
    for (const atMs of [1_000, 3_000]) {
      breakers.admit(key, `p${atMs}`, atMs)
      breakers.fails(key, `p${atMs}`, atMs)
    }
    expect(breakers.admit(key, 'early', 3_100).kind).toBe('wait')
    expect(breakers.hasten('default/other', 3_100)).toEqual([])
    expect(breakers.hasten(key.installation, 3_100)).toEqual([key.host])
    expect(breakers.admit(key, 'asked for', 3_100)).toEqual({ kind: 'go' })
    expect(breakers.admit(key, 'another', 3_100).kind).toBe('wait')
    expect(breakers.hasten(key.installation, 3_100)).toEqual([])
    breakers.fails(key, 'asked for', 3_100)
    expect(breakers.admit(key, 'next', 4_099)).toEqual({ kind: 'wait', untilMs: 4_100 })
    expect(breakers.admit(key, 'next', 4_100)).toEqual({ kind: 'go' })
  })
})

test('the token bucket never gives more than its rate', () => {
  const bucket = createTokenBucket(10, 0)
  let given = 0
  for (let nowMs = 0; nowMs <= 5_000; nowMs += 7) while (bucket.take(nowMs)) given += 1
  expect(given).toBeGreaterThanOrEqual(58)
  expect(given).toBeLessThanOrEqual(60)
  const slow = createTokenBucket(0.5, 0)
  expect(slow.take(0)).toBe(true)
  expect(slow.waitMs(0)).toBe(2_000)
  expect(slow.take(1_999)).toBe(false)
  expect(slow.take(2_000)).toBe(true)
})

test('the rate window counts the last second and forgets the rest', () => {
  const rate = createRateWindow()
  for (let nowMs = 0; nowMs < 3_000; nowMs += 10) rate.add(1, nowMs)
  expect(rate.perSecond(2_990)).toBe(100)
  expect(rate.perSecond(3_500)).toBeLessThan(60)
  expect(rate.perSecond(10_000)).toBe(0)
})
