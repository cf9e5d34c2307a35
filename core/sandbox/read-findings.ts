/** Reads what a check answered. The guest may have tampered with its half of the bridge: every part is checked here. */
import type { Finding } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'

const LEVELS: ReadonlySet<unknown> = new Set<Finding['level']>(['error', 'warning', 'info'])
const POINTER_CHARS_MAX = 200
const POINTER = /^(\/([^~/]|~[01])*)*$/

/** Nothing is no finding. Throws `plugin_invalid_result`. */
export function readFindings(value: unknown, bounds: Limits): readonly Finding[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) return invalid('a check answers a list of findings')
  if (value.length > bounds.pluginFindingsMax)
    return invalid(`a check answers at most ${bounds.pluginFindingsMax} findings, not ${value.length}`)
  return value.map((item: unknown) => {
    const { level, message, at } = (item ?? {}) as { readonly [name: string]: unknown }
    if (!LEVELS.has(level)) return invalid('the level of a finding is error, warning or info')
    if (typeof message !== 'string' || message === '') return invalid('a finding needs a message')
    if (at !== undefined && !isPointer(at))
      return invalid('"at" of a finding is a JSON pointer into the settings, such as "/sheet/id"')
    const told = { level: level as Finding['level'], message: message.slice(0, bounds.pluginLogLineCharsMax) }
    return at === undefined ? told : { ...told, at }
  })
}

const isPointer = (at: unknown): at is string =>
  typeof at === 'string' && at.length <= POINTER_CHARS_MAX && POINTER.test(at)

function invalid(message: string): never {
  throw new HubError('plugin_invalid_result', message)
}
