/** What went wrong in a run, or as a unit was loaded, with its coordinates and in the plugin's own words. */
import { type ErrorCode, HubError } from '../errors.ts'
import type { Run, Unit } from './sandbox.ts'
import { traceOf } from './trace.ts'

/** A HubError with the coordinates of unit and run, and with the plugin's own place in the message. */
export function errorOf(parts: {
  unit: Unit
  run?: Run
  code: ErrorCode
  message: string
  stack?: string | undefined
}): HubError {
  const { unit, run, code, message, stack = '' } = parts
  const trace = traceOf(unit.bundle, stack)
  const cause =
    trace.stack === '' ? undefined : Object.assign(new Error(message), { stack: `${message}\n${trace.stack}` })
  return new HubError(code, trace.place === null ? message : `${message} (${trace.place})`, {
    cause,
    at: {
      plugin: unit.bundle.pluginId,
      version: unit.bundle.version,
      installation: unit.key.slice(unit.key.indexOf('/') + 1),
      ...(run === undefined ? {} : { attempt: run.attempt }),
      ...(run?.eventId === undefined ? {} : { event: run.eventId }),
      ...(run?.deliveryId === undefined ? {} : { delivery: run.deliveryId }),
    },
  })
}
