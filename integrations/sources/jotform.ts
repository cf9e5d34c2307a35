/**
 * Jotform: https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/ and its AsyncAPI description at
 * https://asyncapi.apis.io/asyncapis/jotform/jotform-asyncapi/. A form post whose `rawRequest` is JSON text with the answers
 * under `q<number>_<name>`; it is not signed, so the URL has to be the secret.
 */
import type { Json, RouteRequest } from 'manifold/plugin'
import { guessed, isObject, keyOf, listAt, objectAt, textAt, timeAt, Unreadable } from './arrival.ts'
import type { Answer, Arrival, Fields } from './arrival.ts'

const QUESTION = /^q\d+_(.+)$/

/** `submissionID` is the response's. */
export function readJotform(form: RouteRequest['form']): Arrival {
  const inputs = new Map(form)
  const id = textAt(inputs.get('submissionID'))
  if (id === null) throw new Unreadable('the input submissionID is missing')
  const formId = textAt(inputs.get('formID'))
  if (formId === null) throw new Unreadable('the input formID is missing')
  const raw = rawRequest(inputs.get('rawRequest'))
  return {
    id,
    formId,
    formName: textAt(inputs.get('formTitle')) ?? formId,
    status: 'completed',
    startedAt: null,
    submittedAt: timeAt(Number(textAt(raw['submitDate']) ?? Number.NaN)),
    answers: Object.entries(raw).flatMap(([name, value]) => answersOf(name, value)),
  }
}

function rawRequest(text: Json | undefined): Fields {
  if (typeof text !== 'string') throw new Unreadable('the input rawRequest is missing')
  try {
    return objectAt(JSON.parse(text) as Json)
  } catch {
    throw new Unreadable('the input rawRequest is not JSON')
  }
}

/** What stands beside the questions is Jotform's own, but for files, which come as a list of links. */
function answersOf(name: string, value: Json): readonly Answer[] {
  const question = QUESTION.exec(name)?.[1]
  const links = listAt(value).filter((item) => typeof item === 'string' && /^https?:\/\//.test(item))
  if (links.length > 0 && links.length === listAt(value).length) return files(name, links)
  if (question === undefined) return []
  const label = question.replaceAll(/([a-z])([A-Z0-9])/g, '$1 $2')
  const base = { key: keyOf(question), names: [question, name], label }
  if (Array.isArray(value)) return many(base, listAt(value), null)
  if (isObject(value)) return composed(base, value)
  return [{ ...base, value, ...guessed(question, value) }]
}

const files = (name: string, links: readonly Json[]): readonly Answer[] =>
  links.map((link, index) => {
    const own = index === 0 ? name : `${name}_${index + 1}`
    return { key: keyOf(own), names: [own], label: own, type: 'file', value: link }
  })

type Base = Pick<Answer, 'key' | 'names' | 'label'>

function many(base: Base, items: readonly Json[], other: string | null): readonly Answer[] {
  const options = items.flatMap((item) => textAt(item) ?? [])
  const chosen: Answer = { ...base, type: 'multi_select', value: options, options }
  if (other === null) return [chosen]
  const key = `${base.key}_other`
  return [chosen, { key, names: [key], label: `${base.label} (other)`, type: 'text', value: other }]
}

/** The question asks for a time as well, whether it was answered or not. Its zone is Jotform's secret, so both are text. */
const TIME_PARTS = ['hour', 'min', 'ampm', 'timeInput']

const two = (digits: string): string => digits.padStart(2, '0')

/** `14:30`, however it was asked; as it stands where it is no time of twelve or 24 hours. */
function clockOf(at: (name: string) => string | null): string {
  const half = at('ampm')?.toUpperCase() ?? ''
  const given = at('hour') === null ? (at('timeInput') ?? '') : `${at('hour')}:${at('min') ?? '00'}`
  const [, hour, minute] = /^(\d{1,2}):(\d{1,2})$/.exec(given) ?? []
  if (hour === undefined || minute === undefined) return given === '' ? '' : `${given} ${half}`.trim()
  const isHalved = half === 'AM' || half === 'PM'
  const hours = isHalved ? (Number(hour) % 12) + (half === 'PM' ? 12 : 0) : Number(hour)
  return `${two(String(hours))}:${two(minute)}`
}

/** Names, dates, telephones and addresses come in parts; in words they are what a reader expects. */
function composed(base: Base, parts: Fields): readonly Answer[] {
  const at = (name: string): string | null => textAt(parts[name])
  const words = (...names: readonly string[]): string => names.flatMap((name) => at(name) ?? []).join(' ')
  const text = (value: string, pii: boolean): readonly Answer[] =>
    value === '' ? [] : [{ ...base, type: 'long_text', value, ...(pii ? { pii } : {}) }]
  if ('day' in parts && 'month' in parts && 'year' in parts) {
    const [year, month, day] = [at('year'), at('month'), at('day')]
    if (year === null || month === null || day === null) return []
    const date = `${year}-${two(month)}-${two(day)}`
    if (!TIME_PARTS.some((name) => name in parts)) return [{ ...base, type: 'date', value: date }]
    return text([date, clockOf(at)].filter((part) => part !== '').join(' '), false)
  }
  if ('first' in parts || 'last' in parts) return text(words('prefix', 'first', 'middle', 'last', 'suffix'), true)
  if ('full' in parts || 'phone' in parts) return text(at('full') ?? words('country', 'area', 'phone'), true)
  if ('addr_line1' in parts) {
    const lines = ['addr_line1', 'addr_line2', 'postal', 'city', 'state', 'country'].flatMap((name) => at(name) ?? [])
    return text(lines.join('\n'), true)
  }
  if ('timeInput' in parts) return text(words('timeInput', 'ampm'), false)
  const numbered = Object.keys(parts).filter((name) => /^\d+$/.test(name))
  if (numbered.length + ('other' in parts ? 1 : 0) === Object.keys(parts).length)
    return many(
      base,
      numbered.map((name) => parts[name] as Json),
      at('other'),
    )
  return text(JSON.stringify(parts), false)
}
