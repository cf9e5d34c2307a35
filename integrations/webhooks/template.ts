/**
 * Payload templates: any JSON whose strings hold `{{mustache}}`. Values are inserted as data and never read as template
 * or JSON again, so what comes out is valid JSON by construction, and an answer that looks like a template stays text.
 *
 * A string that is exactly one tag (`"{{data.budget}}"`) keeps the value's type; null when there is none. Elsewhere a list
 * reads "a, b", an object reads as JSON, nothing reads as nothing. Nothing is HTML-escaped. Keys are taken as they are: a
 * tag in a key is refused. Names are looked up among own properties only; partials do not exist.
 */
import mustache from 'mustache'
import type { Json } from 'manifold/plugin'

export type View = { readonly [root: string]: Json | undefined }

/** Turns the view of one event into the text of the request body. */
export type Render = (view: View) => string

/** A template that cannot be compiled or rendered; `pointer` (RFC 6901) says where in the template. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
  readonly pointer: string

  constructor(pointer: string, what: string) {
    super(`template${pointer === '' ? '' : ` at ${pointer}`}: ${what}`)
    this.pointer = pointer
  }
}

const STRING_CHARS_MAX = 65_536
const NESTING_MAX = 32
const NODES_MAX = 10_000
/** Of one rendered string, counted in tags and texts: lists inside lists multiply. */
const STEPS_MAX = 200_000
const OUTPUT_CHARS_MAX = 1_000_000

/**
 * Compiles once; throws TemplateError. With `json` the body is JSON text, and a template given as text has to be JSON text
 * itself (or one single tag); without it the template is one text and the body is that text.
 */
export function compileTemplate(template: Json, options: { json: boolean }): Render {
  if (!options.json) {
    if (typeof template !== 'string') throw new TemplateError('', 'has to be text, because contentType is not JSON')
    const render = textRenderer(parse(template, ''), '')
    return (view) => render([view])
  }
  const compiler: Compiler = { nodes: 0 }
  const part = compile(typeof template === 'string' ? parsedText(template) : template, {
    compiler,
    pointer: '',
    depth: 0,
  })
  return typeof part === 'string' ? () => part : (view) => part([view])
}

/** A piece of the body: constant JSON text, or what makes it. Index 0 of the stack is the view. */
type Part = string | ((stack: readonly unknown[]) => string)

interface Compiler {
  nodes: number
}

interface Place {
  readonly compiler: Compiler
  readonly pointer: string
  readonly depth: number
}

function compile(value: Json, place: Place): Part {
  place.compiler.nodes += 1
  if (place.compiler.nodes > NODES_MAX) throw new TemplateError(place.pointer, `has more than ${NODES_MAX} values`)
  if (place.depth > NESTING_MAX) throw new TemplateError(place.pointer, `is nested deeper than ${NESTING_MAX}`)
  if (typeof value === 'string') return compileString(value, place.pointer)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const child = (key: string | number): Place => ({
    compiler: place.compiler,
    pointer: `${place.pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`,
    depth: place.depth + 1,
  })
  if (isList(value)) {
    return joined(['[', ...value.flatMap((item, i) => [i === 0 ? '' : ',', compile(item, child(i))]), ']'])
  }
  const members = Object.keys(value).flatMap((key, i) => {
    if (key.includes('{{'))
      throw new TemplateError(child(key).pointer, 'keys are not rendered; put tags into values only')
    return [`${i === 0 ? '' : ','}${JSON.stringify(key)}:`, compile(value[key] as Json, child(key))]
  })
  return joined(['{', ...members, '}'])
}

/** Neighbouring constants become one, so that rendering is one pass over the few parts that change. */
function joined(parts: readonly Part[]): Part {
  const merged: Part[] = []
  for (const part of parts) {
    const last = merged.at(-1)
    if (typeof part === 'string' && typeof last === 'string') merged[merged.length - 1] = last + part
    else merged.push(part)
  }
  if (merged.length === 1) return merged[0] as Part
  return (stack) => {
    let text = ''
    for (const part of merged) text += typeof part === 'string' ? part : part(stack)
    return text
  }
}

function compileString(text: string, pointer: string): Part {
  const tokens = parse(text, pointer)
  const only = tokens[0]
  if (tokens.length === 1 && only !== undefined && (only[0] === 'name' || only[0] === '&')) {
    const path = pathOf(only[1])
    return (stack) => JSON.stringify(find(stack, path) ?? null)
  }
  const render = textRenderer(tokens, pointer)
  if (tokens.every(([type]) => type === 'text')) return JSON.stringify(render([]))
  return (stack) => JSON.stringify(render(stack))
}

/** A JSON template that was written as one text. */
function parsedText(text: string): Json {
  const tokens = parse(text, '')
  if (tokens.length === 1 && (tokens[0]?.[0] === 'name' || tokens[0]?.[0] === '&')) return text
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new TemplateError(
      '',
      `is not JSON (${why}); tags go inside strings: "{{data.budget}}" keeps a number a number`,
    )
  }
}

/** What mustache's parser makes: [type, text or name, start, end, children?]. */
type Token = readonly [type: string, value: string, start: number, end: number, children?: readonly Token[]]

function parse(text: string, pointer: string): readonly Token[] {
  if (text.length > STRING_CHARS_MAX) throw new TemplateError(pointer, `is longer than ${STRING_CHARS_MAX} characters`)
  if (!text.includes('{{')) return text === '' ? [] : [['text', text, 0, text.length]]
  let tokens: readonly Token[]
  try {
    tokens = new mustache.Writer().parse(text) as readonly Token[]
  } catch (error) {
    throw new TemplateError(pointer, error instanceof Error ? error.message : String(error))
  }
  checkTokens(tokens, pointer, 0)
  return tokens.filter(([type]) => type !== '!' && type !== '=')
}

function checkTokens(tokens: readonly Token[], pointer: string, depth: number): void {
  if (depth > NESTING_MAX) throw new TemplateError(pointer, `has sections nested deeper than ${NESTING_MAX}`)
  for (const [type, value, , , children] of tokens) {
    if (type === '>') throw new TemplateError(pointer, `partials such as {{> ${value}}} do not exist here`)
    if (children !== undefined) checkTokens(children, pointer, depth + 1)
  }
}

type Stack = readonly unknown[]

function textRenderer(tokens: readonly Token[], pointer: string): (stack: Stack) => string {
  return (stack) => {
    const budget = { steps: STEPS_MAX, chars: OUTPUT_CHARS_MAX }
    return renderTokens(tokens, stack, { budget, pointer })
  }
}

interface Rendering {
  readonly budget: { steps: number; chars: number }
  readonly pointer: string
}

function renderTokens(tokens: readonly Token[], stack: Stack, rendering: Rendering): string {
  const { budget, pointer } = rendering
  let text = ''
  for (const token of tokens) {
    budget.steps -= 1
    if (budget.steps < 0) throw new TemplateError(pointer, `takes more than ${STEPS_MAX} steps to render`)
    const [type, value, , , children] = token
    if (children !== undefined) {
      text += renderSection(token, stack, rendering)
      continue
    }
    const piece = type === 'text' ? value : type === 'name' || type === '&' ? textOf(find(stack, pathOf(value))) : ''
    budget.chars -= piece.length
    if (budget.chars < 0) throw new TemplateError(pointer, `renders to more than ${OUTPUT_CHARS_MAX} characters`)
    text += piece
  }
  return text
}

function renderSection([type, name, , , children = []]: Token, stack: Stack, rendering: Rendering): string {
  const value = find(stack, pathOf(name))
  const empty = !value || (Array.isArray(value) && value.length === 0)
  if (type === '^') return empty ? renderTokens(children, stack, rendering) : ''
  if (empty) return ''
  if (!Array.isArray(value)) return renderTokens(children, [...stack, value], rendering)
  let text = ''
  for (const item of value) text += renderTokens(children, [...stack, item], rendering)
  return text
}

const paths = new Map<string, readonly string[]>()

function pathOf(name: string): readonly string[] {
  let path = paths.get(name)
  if (path === undefined) {
    path = name === '.' ? [] : name.split('.')
    paths.set(name, path)
  }
  return path
}

/** The first name is searched from the innermost section outwards, the rest inside what it found. Own properties only. */
function find(stack: Stack, path: readonly string[]): unknown {
  if (path.length === 0) return stack.at(-1)
  for (let i = stack.length - 1; i >= 0; i--) {
    if (!hasOwn(stack[i], path[0] as string)) continue
    let value: unknown = stack[i]
    for (const name of path) value = hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
    return value
  }
  return undefined
}

const hasOwn = (value: unknown, name: string): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map(textOf).join(', ')
  return JSON.stringify(value) ?? ''
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)
