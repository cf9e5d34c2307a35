/** Which events an installation gets: plugin, form, type and filter, compiled once per installation. */
import type { FieldProblem } from '../errors.ts'
import type { LogEvent } from '../model.ts'
import type { When } from '../registry/installation.ts'
import { compileFilter } from './filter.ts'
import type { FilterLimits, FilterSubject } from './filter.ts'
import type { FormView } from './event-json.ts'

/** The compiled condition. `wants` needs the event alone; `matches` parses the payload, and only when a filter exists. */
export interface CompiledWhen {
  readonly wants: (event: LogEvent) => boolean
  /** Null when there is no filter: `wants` has the last word then. */
  readonly matches: ((event: LogEvent, view: FormView | undefined) => boolean) | null
  /** Which part of `when` keeps the event out, for people; null: none does. */
  readonly whyNot: (event: LogEvent, view: FormView | undefined) => string | null
}

export type CompileWhenResult =
  | { readonly ok: true; readonly when: CompiledWhen }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] }

/** The event types a plugin subscribes to (`*` is every type, `track.*` all that begin so) and what the admin narrowed them to. */
export interface CompileWhenInput {
  readonly when: When
  readonly types: readonly string[]
}

/** Compiles `when`; problems carry pointers below `/filter`. */
export function compileWhen({ when, types }: CompileWhenInput, limits: FilterLimits): CompileWhenResult {
  const subscribed = types.includes('*') ? null : Object.fromEntries(types.map((type) => [type, true]))
  const narrowed = when.events === null ? null : new Set(when.events)
  const forms = when.forms === null ? null : new Set(when.forms)
  const wants = (event: LogEvent): boolean => {
    if (event.data === null) return false
    if (subscribed !== null && handlerType(subscribed, event.type) === undefined) return false
    if (narrowed !== null && !narrowed.has(event.type)) return false
    return forms === null || (event.formId !== null && forms.has(event.formId))
  }
  const whyNot = (event: LogEvent, view: FormView | undefined): string | null =>
    keptOutBy(when, { event, subject: filterSubject(event, view), limits })
  if (when.filter === null || when.filter === undefined) return { ok: true, when: { wants, matches: null, whyNot } }
  const filter = compileFilter(when.filter, limits)
  if (!filter.ok) {
    return {
      ok: false,
      problems: filter.problems.map((problem) => ({ ...problem, pointer: `/filter${problem.pointer}` })),
    }
  }
  return { ok: true, when: { wants, matches: (event, view) => filter.match(filterSubject(event, view)), whyNot } }
}

interface KeptOut {
  readonly event: LogEvent
  readonly subject: FilterSubject
  readonly limits: FilterLimits
}

/** The conditions of a filter are told as they are written, never what the event holds: that may be an answer. */
function keptOutBy(when: When, { event, subject, limits }: KeptOut): string | null {
  const { events, forms } = when
  if (events !== null && !events.includes(event.type))
    return `when.event is ${events.join(', ')}, and the event is ${event.type}`
  if (forms !== null && (event.formId === null || !forms.includes(event.formId)))
    return `when.form is ${forms.join(', ')}, and the event is of ${event.formId ?? 'no form'}`
  for (const [key, condition] of Object.entries(when.filter ?? {})) {
    const part = { [key]: condition as unknown }
    const compiled = compileFilter(part, limits)
    if (compiled.ok && !compiled.match(subject)) return `when.filter ${JSON.stringify(part)} does not hold`
  }
  return null
}

/** Finds the handler of an event: its own type first, then the one for all that begin alike, then the one for every type. */
export function handlerType(on: Readonly<Record<string, unknown>>, type: string): string | undefined {
  if (Object.hasOwn(on, type)) return type
  const alike = `${type.slice(0, type.indexOf('.'))}.*`
  if (Object.hasOwn(on, alike)) return alike
  return Object.hasOwn(on, '*') ? '*' : undefined
}

/** Of events that go to handlers together, in order: those that are not passed over, where a handler gets the last alone. */
export function lastAlone(
  on: Readonly<Record<string, { readonly latest?: boolean | undefined }>>,
  events: readonly LogEvent[],
): (event: LogEvent) => boolean {
  const last = new Map<string, LogEvent>()
  for (const event of events) {
    const type = handlerType(on, event.type)
    if (type !== undefined && on[type]?.latest === true) last.set(type, event)
  }
  return (event) => (last.get(handlerType(on, event.type) ?? '') ?? event) === event
}

/** What a filter looks at. Parts are read on demand, so `form.id` alone never parses the payload. */
export function filterSubject(event: LogEvent, view: FormView | undefined): FilterSubject {
  return new LazySubject(event, view)
}

class LazySubject implements FilterSubject {
  readonly event: object
  declare readonly data: unknown
  declare readonly meta: unknown
  declare readonly form: unknown
  declare readonly response: unknown

  constructor(event: LogEvent, view: FormView | undefined) {
    this.event = { id: event.id, type: event.type, at: event.at }
    once(this, 'data', () => JSON.parse(event.data ?? '{}') as unknown)
    once(this, 'meta', () => JSON.parse(event.meta) as unknown)
    once(this, 'form', () =>
      event.formId === null
        ? null
        : { id: event.formId, name: view?.form.name ?? null, version: view?.form.version ?? null },
    )
    once(this, 'response', () => (event.response === null ? null : { id: event.responseId, ...event.response }))
  }
}

/** An own property that is computed at the first look. Own, because filters see own properties only. */
function once(target: object, key: string, compute: () => unknown): void {
  Object.defineProperty(target, key, {
    configurable: true,
    enumerable: true,
    get: () => {
      const value = compute()
      Object.defineProperty(target, key, { value, enumerable: true })
      return value
    },
  })
}
