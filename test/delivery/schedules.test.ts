/** Timetables: fired once a time, missed times counted, time zones and their odd days, no doubling. */
import { Cron } from 'croner'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { dueTimes } from '../../core/delivery/schedules.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { openWorld } from './world.ts'
import type { DoublePlugin } from './world.ts'

const due = (cron: string, timezone: string, [after, until]: readonly [string, string]): readonly string[] =>
  dueTimes(new Cron(cron, { timezone, paused: true }), { afterMs: Date.parse(after), untilMs: Date.parse(until) }).map(
    (atMs) => new Date(atMs).toISOString(),
  )

describe('which times are due', () => {
  test('after the last, up to now, both ends exact', () => {
    expect(due('0 12 * * *', 'UTC', ['2026-01-01T12:00:00Z', '2026-01-03T12:00:00Z'])).toEqual([
      '2026-01-02T12:00:00.000Z',
      '2026-01-03T12:00:00.000Z',
    ])
    expect(due('0 12 * * *', 'UTC', ['2026-01-01T12:00:00Z', '2026-01-02T11:59:59.999Z'])).toEqual([])
  })

  test('in the time zone of the plugin, summer and winter', () => {
    expect(due('0 8 * * *', 'Europe/Berlin', ['2026-03-28T00:00:00Z', '2026-03-30T23:00:00Z'])).toEqual([
      '2026-03-28T07:00:00.000Z',
      '2026-03-29T06:00:00.000Z',
      '2026-03-30T06:00:00.000Z',
    ])
  })

  test('an hour that does not exist fires once that night; one that comes twice fires once', () => {
    expect(due('30 2 * * *', 'Europe/Berlin', ['2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z'])).toHaveLength(1)
    expect(due('30 2 * * *', 'Europe/Berlin', ['2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z'])).toHaveLength(1)
  })

  test('of very many missed ones the newest is found and the count is bounded', () => {
    const times = due('* * * * * *', 'UTC', ['2025-01-01T00:00:00Z', '2026-01-01T00:00:00Z'])
    expect(times).toHaveLength(100)
    expect(times.at(-1)).toBe('2026-01-01T00:00:00.000Z')
  })

  test('a clock that went back fires nothing again', () => {
    expect(due('* * * * *', 'UTC', ['2026-01-01T12:00:00Z', '2026-01-01T10:00:00Z'])).toEqual([])
  })
})

test('a schedule fires through the delivery engine; what was missed while the hub stood still is fired once with its number', async () => {
  await using dir = await tempDir('schedules')
  const ticks: { at: string; missed: number }[] = []
  const code: DoublePlugin = {
    schedules: {
      hourly: (tick, ctx) => {
        ticks.push(tick)
        ctx.enqueue('note', { at: tick.at })
      },
    },
    actions: { note: () => ({ outcome: 'delivered' }) },
  }
  const manifest = { schedules: { hourly: { cron: '0 * * * *', timezone: 'UTC' } } }
  let nowMs = Date.parse('2026-01-01T00:30:00Z')
  const clock = { ...systemClock, nowMs: () => nowMs }
  const options = { dir: dir.path, clock, installations: [{ id: 'a', code, manifest }] }
  {
    await using world = await openWorld(options)
    // New: it starts now and has missed nothing.
    await until('its row', async () => (await world.store.schedules()).length === 1)
    expect(ticks).toEqual([])
    nowMs = Date.parse('2026-01-01T01:00:05Z')
    world.queue.wake({ kind: 'schedule', workspace: 'default', installation: 'a' })
    await until('the first tick', () => ticks.length === 1)
    expect(ticks[0]).toEqual({ at: '2026-01-01T01:00:00.000Z', missed: 0 })
    world.queue.wake({ kind: 'schedule', workspace: 'default', installation: 'a' })
    await world.settled()
  }
  expect(ticks).toHaveLength(1)
  nowMs = Date.parse('2026-01-01T05:30:00Z')
  {
    await using world = await openWorld(options)
    await until('the missed ones', () => ticks.length === 2)
    expect(ticks[1]).toEqual({ at: '2026-01-01T05:00:00.000Z', missed: 3 })
    await world.settled()
    expect((await world.deliveries()).map(({ kind, state }) => `${kind} ${state}`).sort()).toEqual([
      'action delivered',
      'action delivered',
      'schedule delivered',
      'schedule delivered',
    ])
  }
})

test('a schedule that fails is retried like any delivery', async () => {
  let runs = 0
  const code: DoublePlugin = {
    schedules: {
      hourly: () => {
        if (++runs < 3) throw new Error('not yet')
      },
    },
  }
  const startMs = Date.parse('2026-01-01T00:30:00Z') - performance.now()
  let jumpMs = 0
  const clock = { ...systemClock, nowMs: () => startMs + jumpMs + performance.now() }
  await using world = await openWorld({
    clock,
    installations: [{ id: 'a', code, manifest: { schedules: { hourly: { cron: '0 * * * *' } } } }],
  })
  await until('its row', async () => (await world.store.schedules()).length === 1)
  jumpMs = 3_600_000
  world.queue.wake({ kind: 'schedule', workspace: 'default', installation: 'a' })
  await until('the third run', () => runs === 3)
  await world.settled()
  expect((await world.deliveries())[0]).toMatchObject({
    kind: 'schedule',
    name: 'hourly',
    state: 'delivered',
    attempts: 3,
  })
})

test('what a run fired by hand asks for is marked, and takes no key the timetable will want; nobody else sets the mark', async () => {
  const forged = 'lead:~test:dlv_019ac7d2-0000-7000-8000-000000000000'
  const code: DoublePlugin = {
    schedules: {
      hourly: (tick, ctx) => {
        ctx.enqueue('post', null, { key: `report:${tick.at.slice(0, 10)}` })
        ctx.enqueue('post', null, { key: forged })
      },
    },
    actions: { post: () => ({ outcome: 'delivered' }) },
  }
  const manifest = { schedules: { hourly: { cron: '0 * * * *', timezone: 'UTC' } }, actions: { post: {} } }
  let nowMs = Date.parse('2026-01-01T00:30:00Z')
  const clock = { ...systemClock, nowMs: () => nowMs }
  await using world = await openWorld({ clock, installations: [{ id: 'a', code, manifest }] })
  const posts = async () => (await world.deliveries()).filter(({ kind }) => kind === 'action')
  await until('its row', async () => (await world.store.schedules()).length === 1)
  for (const fired of [1, 2]) {
    await world.scheduler.fire('default/a', 'hourly')
    await world.settled()
    expect((await posts()).map(({ isTest }) => isTest)).toEqual(Array(2 * fired).fill(true))
  }
  nowMs = Date.parse('2026-01-01T01:00:05Z')
  world.queue.wake({ kind: 'schedule', workspace: 'default', installation: 'a' })
  await until('its own', async () => (await posts()).length === 6)
  await world.settled()
  expect((await posts()).filter(({ isTest }) => isTest === undefined)).toHaveLength(2)
})

test('fired by hand before its timetable ever looked, it is new from then on: nothing was missed', async () => {
  const ticks: { at: string; missed: number }[] = []
  const code: DoublePlugin = { schedules: { hourly: (tick) => void ticks.push(tick) } }
  const manifest = { schedules: { hourly: { cron: '0 * * * *', timezone: 'UTC' } } }
  const clock = { ...systemClock, nowMs: () => Date.parse('2026-01-01T00:30:00Z') }
  await using world = await openWorld({ clock, installations: [{ id: 'a', code, manifest, state: 'paused' }] })
  expect(await world.store.schedules()).toEqual([])
  await world.scheduler.fire('default/a', 'hourly')
  const rows = await world.store.schedules()
  expect(rows.map(({ lastFiredAtMs }) => lastFiredAtMs)).toEqual([clock.nowMs()])
})

test('fired by hand it runs at once, marked as a test, and its timetable goes on as it was', async () => {
  const ticks: { at: string; missed: number }[] = []
  const code: DoublePlugin = { schedules: { hourly: (tick) => void ticks.push(tick) } }
  const manifest = { schedules: { hourly: { cron: '0 * * * *', timezone: 'UTC' } } }
  let nowMs = Date.parse('2026-01-01T00:30:00Z')
  const clock = { ...systemClock, nowMs: () => nowMs }
  await using world = await openWorld({ clock, installations: [{ id: 'a', code, manifest }] })
  await until('its row', async () => (await world.store.schedules()).length === 1)
  const before = await world.store.schedules()
  const made = [await world.scheduler.fire('default/a', 'hourly'), await world.scheduler.fire('default/a', 'hourly')]
  await world.settled()
  expect(ticks).toEqual(Array(2).fill({ at: '2026-01-01T00:30:00.000Z', missed: 0 }))
  expect(await world.store.schedules()).toEqual(before)
  expect(await world.store.getDelivery('default', made[0]?.id ?? '')).toMatchObject({
    isTest: true,
    state: 'delivered',
  })
  await expect(world.scheduler.fire('default/a', 'daily')).rejects.toThrow(/no schedule "daily".*there are: hourly/)
  expect(() => world.scheduler.find('default/a', 'daily')).toThrow(/no schedule "daily".*there are: hourly/)
  expect(world.scheduler.find('default/a', 'hourly')).toMatchObject({ id: 'a' })
  nowMs = Date.parse('2026-01-01T01:00:05Z')
  world.queue.wake({ kind: 'schedule', workspace: 'default', installation: 'a' })
  await until('its own time', () => ticks.length === 3)
  expect(ticks[2]).toEqual({ at: '2026-01-01T01:00:00.000Z', missed: 0 })
  await world.settled()
  const own = (await world.deliveries()).filter(({ id }) => !made.some((each) => each.id === id))
  expect(own.map(({ isTest }) => isTest)).toEqual([undefined])
})
