/**
 * A form made of a plugin's JSON Schema, and settings made of what was typed into it. Inputs are named by JSON pointers, so
 * what the real check says stands at its field. What is left empty is left out: then the plugin's default counts.
 */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { jsonOr } from '../api.ts'

export type Schema = Readonly<Record<string, unknown>>

/** What a check says of a place. */
export interface FieldProblem {
  readonly pointer: string
  readonly message: string
  readonly hint: string | null
}

interface Field {
  /** JSON pointer; the name and the id of the input. */
  readonly at: string
  readonly name: string
  readonly schema: Schema
  readonly isRequired: boolean
  readonly kind: Kind
  readonly members: readonly Field[]
}

/** `json`: whatever has no better form. `secret`: only the name of the variable that holds it. */
type Kind = 'text' | 'area' | 'number' | 'boolean' | 'enum' | 'list' | 'map' | 'secret' | 'secrets' | 'group' | 'json'

const DEPTH_MAX = 4
const AREA_CHARS_MIN = 1_000

/** The members of an object's schema, below a pointer. */
export function fieldsOf(schema: Schema, at: string): readonly Field[] {
  return members(schema, { at, root: schema, depth: 0 })
}

interface Spot {
  readonly at: string
  readonly root: Schema
  readonly depth: number
}

function members(schema: Schema, { at, root, depth }: Spot): readonly Field[] {
  const required = Array.isArray(schema['required']) ? (schema['required'] as readonly unknown[]) : []
  return Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, unknown>>).map(([name, raw]) => {
    const own = followed(raw, root)
    const place = `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const kind = kindOf(own, root, depth)
    return {
      at: place,
      name,
      schema: own,
      isRequired: required.includes(name),
      kind,
      members: kind === 'group' ? members(own, { at: place, root, depth: depth + 1 }) : [],
    }
  })
}

/** A reference into the schema's own definitions, with what stands beside it. */
function followed(raw: unknown, root: Schema): Schema {
  const schema = isMapping(raw) ? raw : {}
  const [, list, name] = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(textOf(schema['$ref'])) ?? []
  const definitions = list === undefined ? undefined : root[list]
  return isMapping(definitions) && isMapping(definitions[name ?? ''])
    ? { ...(definitions[name ?? ''] as Schema), ...schema }
    : schema
}

function kindOf(schema: Schema, root: Schema, depth: number): Kind {
  const { type, format, properties, additionalProperties: others } = schema
  if (Array.isArray(schema['enum'])) return 'enum'
  if (type === 'boolean') return 'boolean'
  if (type === 'number' || type === 'integer') return 'number'
  if (type === 'string') return format === 'secret' ? 'secret' : isLong(schema) ? 'area' : 'text'
  if (type === 'array') {
    const items = followed(schema['items'], root)
    return ['text', 'number', 'enum'].includes(kindOf(items, root, depth)) ? 'list' : 'json'
  }
  if (type !== 'object') return 'json'
  if (isMapping(properties) && depth < DEPTH_MAX) return 'group'
  const value = followed(others, root)
  if (value['type'] !== 'string') return 'json'
  return value['format'] === 'secret' ? 'secrets' : 'map'
}

const isLong = ({ maxLength, default: usual }: Schema): boolean =>
  (typeof maxLength === 'number' && maxLength >= AREA_CHARS_MIN && textOf(usual).length > 40) ||
  textOf(usual).includes('\n')

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

/** Settings out of what was typed. What does not fit stays as it was typed, for the check to say so. */
export function typedInto(fields: readonly Field[], form: URLSearchParams): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    fields.flatMap((field) => {
      const value = field.kind === 'group' ? groupOf(field, form) : valueOf(field, form.get(field.at) ?? '')
      return value === undefined ? [] : [[field.name, value] as const]
    }),
  )
}

/** What was begun as JSON and is none: as a text it would be taken, and sent as such. */
export function brokenJson(fields: readonly Field[], form: URLSearchParams): readonly FieldProblem[] {
  return fields.flatMap(({ kind, at, members: inner }): readonly FieldProblem[] => {
    if (kind === 'group') return brokenJson(inner, form)
    const typed = form.get(at) ?? ''
    if (kind !== 'json' || !isBegunAsJson(typed) || typeof jsonOr(typed) !== 'string') return []
    return [{ pointer: at, message: 'is no JSON', hint: 'look for a missing brace, quote or comma' }]
  })
}

const isBegunAsJson = (typed: string): boolean => /^\s*[{[]/.test(typed)

function groupOf({ members: inner }: Field, form: URLSearchParams): unknown {
  const value = typedInto(inner, form)
  return Object.keys(value).length === 0 ? undefined : value
}

function valueOf({ kind, schema }: Field, typed: string): unknown {
  if (typed.trim() === '') return undefined
  switch (kind) {
    case 'number':
      return numberOr(typed)
    case 'boolean':
      return typed === 'true' ? true : typed === 'false' ? false : typed
    case 'enum':
      return (schema['enum'] as readonly unknown[]).find((each) => String(each) === typed) ?? typed
    case 'list': {
      const isNumbers = isMapping(schema['items']) && ['number', 'integer'].includes(textOf(schema['items']['type']))
      return lines(typed).map((line) => (isNumbers ? numberOr(line) : line))
    }
    case 'map':
      return pairs(typed, (value) => value)
    case 'secret':
      return variable(typed.trim())
    case 'secrets':
      return pairs(typed, variable)
    case 'json':
      return jsonOr(typed)
    default:
      return typed.replaceAll('\r\n', '\n')
  }
}

const variable = (name: string): string => `\${${name.replace(/^\$\{(.*)\}$/s, '$1')}}`

const numberOr = (typed: string): unknown => (Number.isNaN(Number(typed)) ? typed.trim() : Number(typed))

const lines = (typed: string): readonly string[] =>
  typed
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** `name: value`, one a line. */
const pairs = (typed: string, made: (value: string) => string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    lines(typed).map((line) => {
      const colon = line.indexOf(':')
      return colon < 0 ? [line, ''] : [line.slice(0, colon).trim(), made(line.slice(colon + 1).trim())]
    }),
  )

/** How a value looks in its input; the other way round of `valueOf`. A secret that is no variable is not shown. */
function shownIn(kind: Kind, value: unknown): string {
  if (value === undefined || value === null) return ''
  if (kind === 'secret') return variableIn(value)
  if (kind === 'list' && Array.isArray(value)) return value.map(String).join('\n')
  if ((kind === 'map' || kind === 'secrets') && isMapping(value))
    return Object.entries(value)
      .map(([name, each]) => `${name}: ${kind === 'map' ? String(each) : variableIn(each)}`)
      .join('\n')
  // What was begun as JSON and is none stays as it was typed.
  if (typeof value === 'string' && (kind !== 'json' || isBegunAsJson(value))) return value
  return JSON.stringify(value, null, 2)
}

const variableIn = (value: unknown): string => /^\$\{(.+)\}$/s.exec(String(value))?.[1] ?? ''

export interface FormValues {
  readonly values: Readonly<Record<string, unknown>>
  readonly problems: readonly FieldProblem[]
}

/** Every field with its value, and below it what the check said of it. */
export function schemaForm(fields: readonly Field[], { values, problems }: FormValues): Html {
  const simple = fields.filter(({ kind }) => kind !== 'group')
  const groups = fields.filter(({ kind }) => kind === 'group')
  return html`<div class="grid">${simple.map((field) => input(field, values[field.name], problems))}</div>
${groups.map((field) => {
  const inner = values[field.name]
  const own = problems.filter(({ pointer }) => pointer === field.at)
  return html`<fieldset class="field-row${own.length === 0 ? '' : ' wrong'}" id="${field.at}"><legend>${labelOf(field)}${marks(field)}</legend>${description(field.schema)}${own.map(said)}
${schemaForm(field.members, { values: isMapping(inner) ? inner : {}, problems })}</fieldset>`
})}`
}

/** Whose problems no field shows. */
export function unshown(fields: readonly Field[], problems: readonly FieldProblem[]): readonly FieldProblem[] {
  return problems.filter(({ pointer }) => !fields.some((field) => isAt(field, pointer) || isInGroup(field, pointer)))
}

const isInGroup = ({ members: inner, kind, at }: Field, pointer: string): boolean =>
  kind === 'group' && (pointer === at || inner.some((field) => isAt(field, pointer) || isInGroup(field, pointer)))

/** A list or a mapping is one input: what is wrong inside it is said at it. */
const isAt = ({ at, kind }: Field, pointer: string): boolean =>
  pointer === at || (kind !== 'group' && pointer.startsWith(`${at}/`))

function input(field: Field, value: unknown, problems: readonly FieldProblem[]): Html {
  const { at, schema, kind } = field
  const own = problems.filter(({ pointer }) => isAt(field, pointer))
  const about = html`${own.length === 0 ? null : html` aria-invalid="true"`} aria-describedby="${at}-about"`
  return html`<div class="field"><label for="${at}">${labelOf(field)}${marks(field)}</label>${control(field, shownIn(kind, value), about)}<div id="${at}-about">${own.map(said)}${HINTS[kind] ?? null}${description(schema)}</div></div>`
}

/** `secretHeaders` as it is read: Secret headers. */
function labelOf({ schema, name }: Field): string {
  if (typeof schema['title'] === 'string') return schema['title']
  const words = name.replaceAll(/(?<=[a-z])[A-Z](?![A-Z])/g, (letter) => ` ${letter.toLowerCase()}`)
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`
}

const marks = ({ isRequired }: Field): Html | null => (isRequired ? html` <span class="soft">required</span>` : null)

const said = ({ message, hint }: FieldProblem): Html =>
  html`<p class="error">${message}${hint === null ? null : html` <span class="soft">${hint}</span>`}</p>`

const description = ({ description: text }: Schema): Html | null =>
  typeof text === 'string' ? html`<p class="hint">${text}</p>` : null

const HINTS: Readonly<Partial<Record<Kind, Html>>> = {
  secret: html`<p class="hint">The name of the hub's environment variable that holds it: secrets do not pass through here.</p>`,
  secrets: html`<p class="hint">One a line, <code>name: VARIABLE</code>: the variable of the hub's environment that holds the value.</p>`,
  list: html`<p class="hint">One a line.</p>`,
  map: html`<p class="hint">One a line, <code>name: value</code>.</p>`,
  json: html`<p class="hint">As JSON.</p>`,
}

const ROWS: Readonly<Partial<Record<Kind, number>>> = { area: 5, list: 3, map: 3, secrets: 3, json: 5 }

function control({ at, kind, schema }: Field, shown: string, about: Html): Html {
  if (kind === 'enum' || kind === 'boolean') {
    const options = kind === 'boolean' ? ['true', 'false'] : (schema['enum'] as readonly unknown[]).map(String)
    const others = shown === '' || options.includes(shown) ? [] : [shown]
    return html`<select id="${at}" name="${at}"${about}><option value="">${usual(schema)}</option>${[...options, ...others].map((option) => html`<option${option === shown ? html` selected` : null}>${option}</option>`)}</select>`
  }
  const rows = ROWS[kind]
  const example = Array.isArray(schema['examples']) ? schema['examples'][0] : undefined
  const placeholder = shownIn(kind, schema['default'] ?? example)
  if (rows !== undefined)
    return html`<textarea id="${at}" name="${at}" rows="${rows}" placeholder="${placeholder}" spellcheck="false"${about}>
${shown}</textarea>`
  return html`<input id="${at}" name="${at}" value="${shown}" placeholder="${placeholder}" autocomplete="off" spellcheck="false"${kind === 'number' ? html` inputmode="decimal"` : null}${about}>`
}

const usual = ({ default: value }: Schema): string =>
  value === undefined ? 'left out' : `left out: ${typeof value === 'string' ? value : JSON.stringify(value)}`
