/** What every command is given. */
import { join } from 'node:path'
import { parseDurationMs } from '../config/durations.ts'
import type { Environment } from '../config/settings.ts'
import { readSettings } from '../config/settings.ts'
import type { Settings } from '../config/config.ts'
import { CliError } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

const SPAN_MS_MAX = 86_400_000

/** Option values by camelCase name, as commander leaves them. */
export type Options = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export interface Call {
  readonly terminal: Terminal
  readonly env: Environment
  readonly options: Options
  readonly args: readonly string[]
}

/** A command's code, loaded when it is called. */
export type Run = (call: Call) => Promise<void>

/** The value of a text option. */
export function textOption(call: Call, name: string): string | undefined {
  const value = call.options[name]
  return typeof value === 'string' ? value : undefined
}

/** Settings from flags and environment; a mistake in them ends the command. */
export function settingsOf(call: Call): Settings {
  const result = readSettings(call.options, call.env)
  if ('settings' in result) return result.settings
  throw new CliError('usage', result.problems.join('\n'), 'see manifold start --help')
}

/** A whole number; undefined when it was not given. */
export function numberOption(call: Call, name: string, { from }: { readonly from: number }): number | undefined {
  const text = textOption(call, name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= from) return value
  throw new CliError('usage', `--${name} must be a whole number from ${from} on (got "${text}").`)
}

/** A span of time such as `90s` or `10m`, in milliseconds; undefined when it was not given. */
export function spanOption(call: Call, name: string): number | undefined {
  const text = textOption(call, name)
  if (text === undefined) return undefined
  const spanMs = parseDurationMs(text)
  if (spanMs !== undefined && spanMs > 0 && spanMs <= SPAN_MS_MAX) return spanMs
  throw new CliError('usage', `--${name} must be a time such as 90s or 10m, a day at most (got "${text}").`)
}

/** A time option: RFC 3339, a date, or `2h` and the like for "so long ago". */
export function timeOption(call: Call, name: string, nowMs: number): string | undefined {
  const text = textOption(call, name)
  return text === undefined ? undefined : new Date(readTime(name, text, (spanMs) => nowMs - spanMs)).toISOString()
}

/** A time option that lies ahead: here `2h` means "in two hours". */
export function expiryOption(call: Call, name: string, nowMs: number): string | undefined {
  const text = textOption(call, name)
  if (text === undefined) return undefined
  const atMs = readTime(name, text, (spanMs) => nowMs + spanMs)
  if (atMs <= nowMs)
    throw new CliError('usage', `--${name} must lie in the future (got "${text}").`, 'such as 90d or 2h from now')
  return new Date(atMs).toISOString()
}

function readTime(name: string, text: string, fromNow: (spanMs: number) => number): number {
  const span = /^(\d{1,6})(s|m|h|d)$/.exec(text)
  const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  const atMs = span ? fromNow(Number(span[1]) * unitMs[span[2] as keyof typeof unitMs]) : Date.parse(text)
  if (Number.isFinite(atMs) && (span || /^\d{4}-\d\d-\d\d/.test(text))) return atMs
  throw new CliError('usage', `--${name} must be a time such as 2026-01-31T09:00:00Z, 2026-01-31 or 2h (got "${text}")`)
}

/** Where a running hub leaves its address and a key for commands. */
export const hubFile = (dataDir: string): string => join(dataDir, 'hub.json')
