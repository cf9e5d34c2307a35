/** The newest events in memory: one unbroken run, bounded, honest about what it does not have. */
import { describe, expect, test } from 'vitest'
import type { LogEvent } from '../../core/model.ts'
import { createRecentEvents } from '../../core/pump/recent-events.ts'

const event = (seq: number, more: Partial<LogEvent> = {}): LogEvent => ({
  seq,
  id: `evt_${seq}`,
  workspace: 'default',
  type: 'response.submitted',
  at: '',
  formId: 'contact',
  responseId: `rsp_${seq}`,
  hops: 0,
  data: '{"a":1}',
  meta: '{}',
  response: null,
  ...more,
})
const limits = { recentEventsMax: 10, recentEventsBytesMax: 1_000_000 }
const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => event(from + n))

test('says that it does not know rather than that there is nothing', () => {
  const recent = createRecentEvents(limits)
  expect(recent.after('default', 0, 10)).toBeUndefined()
  recent.add(run(5, 7))
  expect(recent.after('default', 3, 10)).toBeUndefined()
  expect(recent.after('default', 4, 10)).toEqual({ events: run(5, 7), seq: 7 })
  expect(recent.after('default', 6, 10)).toEqual({ events: run(7, 7), seq: 7 })
  expect(recent.after('default', 7, 10)).toEqual({ events: [], seq: 7 })
  expect(recent.after('default', 4, 2)).toEqual({ events: run(5, 6), seq: 6 })
})

test('a gap starts a new run: what lies before it has to be read from the log', () => {
  const recent = createRecentEvents(limits)
  recent.add(run(1, 3))
  recent.add(run(5, 6))
  expect(recent.after('default', 3, 10)).toBeUndefined()
  expect(recent.after('default', 4, 10)).toEqual({ events: run(5, 6), seq: 6 })
  expect(recent.byId('default', 'evt_2')).toBeUndefined()
  // Late news of what is past changes nothing.
  recent.add(run(2, 2))
  expect(recent.after('default', 4, 10)).toEqual({ events: run(5, 6), seq: 6 })
})

test('keeps no more than its limit of entries', () => {
  const recent = createRecentEvents(limits)
  for (let seq = 1; seq <= 5_000; seq++) recent.add([event(seq)])
  expect(recent.after('default', 4_990, 100)?.events).toHaveLength(10)
  expect(recent.after('default', 4_989, 100)).toBeUndefined()
  expect(recent.byId('default', 'evt_4990')).toBeUndefined()
  expect(recent.byId('default', 'evt_4991')?.seq).toBe(4_991)
})

test('keeps no more than its limit of bytes, but always the newest', () => {
  const recent = createRecentEvents({ ...limits, recentEventsBytesMax: 5_000 })
  const big = JSON.stringify({ text: 'x'.repeat(2_000) })
  for (let seq = 1; seq <= 6; seq++) recent.add([event(seq, { data: big })])
  expect(recent.after('default', 5, 10)?.events).toHaveLength(1)
  expect(recent.after('default', 3, 10)).toBeUndefined()
  recent.add([event(7, { data: `"${'y'.repeat(50_000)}"` })])
  expect(recent.after('default', 6, 10)?.events).toHaveLength(1)
})

describe('workspaces and deletions', () => {
  test('a workspace sees its own only, and moves past the others', () => {
    const recent = createRecentEvents(limits)
    recent.add([event(1), event(2, { workspace: 'other' }), event(3), event(4, { workspace: 'other' })])
    expect(recent.after('default', 0, 10)).toEqual({ events: [event(1), event(3)], seq: 4 })
    expect(recent.byId('default', 'evt_2')).toBeUndefined()
  })

  test.each(['response.deleted', 'response.discarded'])('%s, or a deleted form, leaves no content behind', (type) => {
    const recent = createRecentEvents(limits)
    recent.add([
      event(1),
      event(2),
      event(3, { formId: 'other' }),
      event(4, { type: 'form.changed', responseId: null }),
    ])
    recent.add([event(5, { type, responseId: 'rsp_1', data: '{"id":"rsp_1"}' })])
    expect(recent.byId('default', 'evt_1')).toMatchObject({ data: null, meta: '{}' })
    expect(recent.byId('default', 'evt_2')?.data).toBe('{"a":1}')
    expect(recent.byId('default', 'evt_5')?.data).toBe('{"id":"rsp_1"}')
    recent.add([event(6, { type: 'form.deleted', responseId: null, data: '{}' })])
    expect(recent.after('default', 0, 10)?.events.map(({ data }) => data)).toEqual([
      null,
      null,
      '{"a":1}',
      '{"a":1}',
      null,
      '{}',
    ])
  })
})
