/** Named retry schedules: the delays between attempts, after the first one that is made at once. */
import { parseDurationMs } from './durations.ts'

/** `default`: five tries in 35 minutes. `standard`: the schedule Standard Webhooks advises, 75 h 35 min in all. */
export const RETRY_PRESETS = {
  default: ['1s', '5s', '30s', '5m', '30m'],
  standard: ['5s', '5m', '30m', '2h', '5h', '10h', '14h', '20h', '24h'],
} as const satisfies Record<string, readonly string[]>

export type RetryPreset = keyof typeof RETRY_PRESETS

/** The preset's delays in milliseconds. */
export const presetDelaysMs = (preset: RetryPreset): readonly number[] =>
  RETRY_PRESETS[preset].map((text) => parseDurationMs(text) as number)
