/** console, as lines of the run's log. */
import type { GuestSettings } from '../protocol.ts'
import { addGlobal } from './natives.ts'
import { type GuestRun, inspect, logLine } from './run.ts'

const LEVELS = {
  log: 'info',
  info: 'info',
  warn: 'warn',
  error: 'error',
  debug: 'debug',
  trace: 'debug',
  dir: 'info',
} as const
const EARLY_LINES_MAX = 20

interface Line {
  readonly level: string
  readonly message: string
}

/** Lines written while the plugin was being loaded; they head the log of the first run. */
let early: Line[] = []

export function addConsole(settings: GuestSettings, current: () => GuestRun | undefined): void {
  const write = (level: string, args: readonly unknown[]): void => {
    const line = { level, message: args.map(inspect).join(' ') }
    const run = current()
    if (run !== undefined) logLine(run, settings, line)
    else if (early.length < EARLY_LINES_MAX) early.push(line)
  }
  const methods: Record<string, (...args: unknown[]) => void> = {}
  for (const [name, level] of Object.entries(LEVELS)) methods[name] = (...args) => write(level, args)
  methods['assert'] = (condition, ...args) => {
    if (!condition) write('error', ['Assertion failed:', ...args])
  }
  addGlobal('console', methods)
}

/** Moves what was written before any run into this one's log. */
export function flushEarly(run: GuestRun, settings: GuestSettings): void {
  if (early.length === 0) return
  for (const line of early) logLine(run, settings, line)
  early = []
}
