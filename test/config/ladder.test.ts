/** `events: { ladder, timezone }`: presets, ages of one's own, and what is refused. */
import { expect, test } from 'vitest'
import { eventSettings, eventsSchema } from '../../core/config/event-settings.ts'

const DAY_MS = 86_400_000

const ladderOf = (file: object): unknown => eventSettings(eventsSchema.parse(file)).ladder
const refusal = (file: object): string | undefined => eventsSchema.safeParse(file).error?.message

test('is the standard one where nothing is said, the short one by name, or ages by rung', () => {
  expect(ladderOf({})).toEqual({
    timezone: 'UTC',
    rungs: [
      { rung: 'minute', keepMs: 30 * DAY_MS },
      { rung: 'hour', keepMs: 365 * DAY_MS },
      { rung: 'day', keepMs: 1_825 * DAY_MS },
    ],
  })
  expect(ladderOf({ ladder: 'short', timezone: 'Europe/Berlin' })).toEqual({
    timezone: 'Europe/Berlin',
    rungs: [
      { rung: 'hour', keepMs: DAY_MS },
      { rung: 'day', keepMs: 30 * DAY_MS },
      { rung: 'month', keepMs: 365 * DAY_MS },
    ],
  })
  expect(ladderOf({ ladder: { day: '10d' } })).toEqual({
    timezone: 'UTC',
    rungs: [{ rung: 'day', keepMs: 10 * DAY_MS }],
  })
})

test('is refused where a coarser rung is kept no longer, where it has none, and with an unknown zone', () => {
  expect(refusal({ ladder: { minute: '30d', day: '30d' } })).toContain('longer than the finer one before it')
  expect(refusal({ ladder: {} })).toContain('at least one of minute, hour, day, month')
  expect(refusal({ ladder: { day: '4000d' } })).toContain('3660d at most')
  expect(refusal({ ladder: 'long' })).toBeDefined()
  expect(refusal({ timezone: 'Mars/Olympus' })).toContain('IANA name')
})
