/** What an attempt tells the history of runs, from its verdicts alone. */
import { expect, test } from 'vitest'
import type { AttemptEnd } from '../../core/delivery/attempt.ts'
import { NO_EFFECTS } from '../../core/delivery/effects.ts'
import { erasedError } from '../../core/delivery/prepare-run.ts'
import { rulingOf } from '../../core/delivery/outcome.ts'
import { attemptRunEnd } from '../../core/delivery/run-end.ts'
import { HubError } from '../../core/errors.ts'
import { newDelivery } from '../../core/storage/new-delivery.ts'
import { delivery } from '../contract/store/fixtures.ts'
import { runEnd } from '../runs/run-end.ts'
import { installation } from './world.ts'

const INSTALLATION = installation({ id: 'crm', code: { actions: { post: () => ({ outcome: 'delivered' }) } } })
const owner = { workspace: 'default', installation: 'crm', plugin: 'double', at: '2026-03-01T10:00:00.000Z' }
const { result } = runEnd()

const ended = (verdicts: AttemptEnd['verdicts'], changes: Partial<AttemptEnd> = {}) => {
  const deliveries = verdicts.map(() => newDelivery(owner, delivery()))
  const end: AttemptEnd = {
    verdicts,
    effects: NO_EFFECTS,
    exchanges: [],
    hosts: [],
    host: null,
    left: false,
    hasProven: false,
    mask: (text) => text,
    result,
    absent: new Map(),
    startedAtMs: 0,
    durationMs: 1,
    ...changes,
  }
  return { deliveries, told: attemptRunEnd({ installation: INSTALLATION, deliveries, runId: 'run_1', end }) }
}

const GONE = erasedError(undefined)
const ERASED = rulingOf(GONE)
const DELIVERED = { kind: 'delivered' } as const

test('of a batch what was erased before it is no part of the run', () => {
  const { deliveries, told } = ended([ERASED, DELIVERED, DELIVERED], { absent: new Map([[0, GONE]]) })
  expect(told?.items.map(({ deliveryId }) => deliveryId)).toEqual(deliveries.slice(1).map(({ id }) => id))
  expect(told?.failure).toBeNull()
})

test('nothing was run where all of it was erased', () => {
  expect(ended([ERASED], { result: null }).told).toBeNull()
  expect(ended([ERASED, ERASED], { absent: new Map([0, 1].map((place) => [place, GONE])) }).told).toBeNull()
})

test('a plugin cannot hide its failure behind the code of an erased response', () => {
  expect(ended([ERASED]).told?.failure).toMatchObject({ code: 'event_erased' })
})

test('an attempt that failed before anything ran is told with its reason', () => {
  const verdict = rulingOf(new HubError('config_invalid', 'There is no such action any more.'))
  expect(ended([verdict], { result: null }).told).toMatchObject({
    result: null,
    failure: { code: 'config_invalid' },
    items: [{ outcome: 'dead' }],
  })
})

test('what is made again is not told', () => {
  expect(ended([{ kind: 'held', afterMs: 1 }]).told).toBeNull()
  expect(ended([{ kind: 'repeat' }, { kind: 'repeat' }]).told).toBeNull()
})
