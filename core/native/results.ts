/** Results and errors of native runs, in the hub's own words. */
import { HubError, isErrorCode } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { NO_EFFECTS } from '../sandbox/report.ts'
import type { Run, RunResult, Unit } from '../sandbox/sandbox.ts'
import type { ErrorText } from './protocol.ts'

/** What was thrown, as it crosses the border. */
export const asText = (error: unknown): ErrorText =>
  error instanceof Error ? { message: error.message, stack: error.stack ?? '' } : { message: String(error), stack: '' }

/** A refusal of a capability that the plugin did not catch keeps its own code. */
export const codeOf = ({ code }: ErrorText): ErrorCode => (isErrorCode(code) ? code : 'plugin_threw')

/** The result of a run that came to nothing. */
export function failed(
  unit: Unit,
  run: Run,
  { code, text }: { readonly code: ErrorCode; readonly text: ErrorText },
): RunResult {
  return {
    id: run.id,
    value: null,
    effects: NO_EFFECTS,
    logs: [],
    logsDropped: 0,
    cpuMs: 0,
    durationMs: 0,
    readingMs: 0,
    hostOps: 0,
    httpCalls: 0,
    error: errorOf(unit, run, { code, text }),
  }
}

/** With the coordinates of its run. */
export function errorOf(
  unit: Unit | undefined,
  run: Run | null,
  { code, text }: { readonly code: ErrorCode; readonly text: ErrorText },
): HubError {
  const cause = text.stack === '' ? undefined : Object.assign(new Error(text.message), { stack: text.stack })
  return new HubError(code, text.message, {
    cause,
    at: {
      ...(unit === undefined
        ? {}
        : {
            plugin: unit.bundle.pluginId,
            version: unit.bundle.version,
            installation: unit.key.slice(unit.key.indexOf('/') + 1),
          }),
      ...(run === null ? {} : { attempt: run.attempt }),
      ...(run?.eventId === undefined ? {} : { event: run.eventId }),
      ...(run?.deliveryId === undefined ? {} : { delivery: run.deliveryId }),
    },
  })
}

/** How long a run of this kind may take. */
export function wallMsOf({ limits }: Unit, { input }: Run): number {
  const { eventWallMs, actionWallMs, scheduleWallMs, routeWallMs, transformWallMs } = limits
  const walls = { event: eventWallMs, action: actionWallMs, schedule: scheduleWallMs, route: routeWallMs }
  return input.kind in walls ? walls[input.kind as keyof typeof walls] : transformWallMs
}
