/** Stretches of time in milliseconds. */
export const MINUTE_MS = 60_000
export const HOUR_MS = 60 * MINUTE_MS
/** By the clock; a day of the calendar may be an hour longer or shorter. */
export const DAY_MS = 24 * HOUR_MS
