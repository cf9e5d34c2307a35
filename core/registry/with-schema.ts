/**
 * A manifest's `config` schema at work: checks an installation's `with`, fills in defaults, and finds the secrets in it.
 * Patterns run on RE2, so that no schema can hang the hub; `$ref` stays inside the schema.
 */
import type { ErrorObject, Options, ValidateFunction } from 'ajv'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FormatName } from 'ajv-formats'
import addFormatsModule from 'ajv-formats'
import { RE2JS } from 're2js'
import type { WithProblem } from '../config/config.ts'
import { DURATION_SHAPE } from '../config/durations.ts'
import { show } from '../config/explain.ts'
import { didYouMean, meantHint } from '../config/suggest.ts'
import { unfoldedSize } from './schema-size.ts'
import { MARKS, markIn, marksOf } from './setting-marks.ts'
import type { Mark, Seen } from './setting-marks.ts'

type Settings = Readonly<Record<string, unknown>>
type Path = readonly (string | number)[]

export interface WithSchema {
  /** Everything wrong with the settings; empty when they fit. Secrets and what is hidden are not quoted. */
  check(value: Settings, isHidden?: (path: Path) => boolean): readonly WithProblem[]
  /** The settings with defaults, and where the secrets in them stand. Only for settings that fit. */
  complete(value: Settings): { readonly value: Record<string, unknown>; readonly secrets: readonly Path[] }
  /** What it says of single values beyond their shape, defaults and all. Only for settings that fit. */
  marks(value: Settings): readonly Mark[]
}

const SECRET = 'manifoldSecret'
const UNFOLDED_MAX = 20_000
const FORMATS: FormatName[] = [
  'date',
  'time',
  'date-time',
  'uri',
  'uri-reference',
  'url',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'regex',
  'uuid',
  'json-pointer',
  'byte',
  'int32',
  'int64',
  'float',
  'double',
  'password',
  'binary',
]
// ajv-formats is a CommonJS module whose default export Node sees one level down.
const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default

const regExp: NonNullable<NonNullable<Options['code']>['regExp']> = Object.assign(
  (pattern: string) => {
    const compiled = RE2JS.compile(pattern)
    return { test: (text: string) => compiled.matcher(text).find(), toString: () => pattern } as unknown as RegExp
  },
  { code: 'new RegExp' },
)

/** Of a text that the pattern matches what its first group caught there; all of the text where it catches nothing. */
export function capturedBy(pattern: string, text: string): string {
  const matcher = RE2JS.compile(pattern).matcher(text)
  if (!matcher.find()) return text
  const groups = Array.from({ length: matcher.groupCount() }, (_, n) => matcher.group(n + 1))
  return groups.find((group) => group !== null) ?? text
}

const isDraft7 = (schema: Settings): boolean =>
  typeof schema['$schema'] === 'string' && schema['$schema'].includes('draft-07')

let draft7: Ajv | undefined
let draft2020: Ajv2020 | undefined

/** Throws what is wrong with the schema as a schema. Its first call compiles the meta-schema, which takes a tenth of a second. */
export function verifyWithSchema(schema: Settings): void {
  const quiet: Options = { logger: false, strict: false }
  const ajv = isDraft7(schema) ? (draft7 ??= new Ajv(quiet)) : (draft2020 ??= new Ajv2020(quiet))
  if (ajv.validateSchema(schema) !== true) throw new Error(ajv.errorsText(ajv.errors, { dataVar: 'config' }))
}

/** For a schema that was verified. Throws an Error when it names keywords, formats or patterns that are not offered. */
export function compileWithSchema(schema: Settings): WithSchema {
  const secrets = new Set<string>()
  const options: Options = {
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allErrors: true,
    verbose: true,
    useDefaults: true,
    discriminator: true,
    // A setting may be called "constructor"; one that is not there must not be found on the prototype.
    ownProperties: true,
    validateSchema: false,
    meta: false,
    logger: false,
    code: { regExp },
  }
  if (unfoldedSize(schema) > UNFOLDED_MAX)
    throw new Error(`with its references followed it has more than ${UNFOLDED_MAX} parts`)
  const ajv = isDraft7(schema) ? new Ajv(options) : new Ajv2020(options)
  addFormats(ajv, FORMATS)
  ajv.addFormat('secret', true)
  ajv.addFormat('duration', DURATION_SHAPE)
  ajv.addKeyword({
    keyword: SECRET,
    errors: false,
    error: { message: 'must not be empty' },
    validate: (...[, data, , context]: readonly [unknown, unknown, unknown?, { instancePath: string }?]) => {
      if (typeof data !== 'string') return true
      if (context) secrets.add(context.instancePath)
      return data !== ''
    },
  })
  const marked: Seen[] = []
  ajv.addKeyword({
    keyword: MARKS,
    errors: false,
    validate: (...[marks, data, , context]: readonly [Seen['marks'], unknown, unknown?, Seen['context']?]) => {
      if (context) marked.push({ marks, data, context })
      return true
    },
  })
  const validate = ending(ajv.compile(prepare(schema) as object))
  return {
    check: (value, isHidden = () => false) => {
      secrets.clear()
      const sealed = (error: ErrorObject) => error.parentSchema?.[SECRET] === true || secrets.has(error.instancePath)
      return problemsOf(validate, { ...structuredClone(value) }, (error, path) => sealed(error) || isHidden(path))
    },
    complete: (value) => {
      const filled = structuredClone(value) as Record<string, unknown>
      secrets.clear()
      validate(filled)
      return { value: filled, secrets: [...secrets].map((pointer) => pathIn(filled, pointer)) }
    },
    marks: (value) => {
      const filled = structuredClone(value) as Record<string, unknown>
      marked.length = 0
      validate(filled)
      return marked.flatMap((each) => markIn(pathIn(filled, each.context.instancePath), each))
    },
  }
}

/** The same check, for which a schema that refers to itself without end is one that nothing fits. */
function ending(validate: ValidateFunction): Check {
  return (value) => {
    try {
      return validate(value) ? null : (validate.errors ?? [])
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      return ENDLESS
    }
  }
}

/** What is wrong, or null. */
type Check = (value: unknown) => readonly ErrorObject[] | null

const ENDLESS: readonly ErrorObject[] = [
  {
    keyword: '$ref',
    instancePath: '',
    schemaPath: '',
    params: {},
    message: "the plugin's config schema refers to itself without end",
  },
]

/** Marks what is secret or says what it names; leaves out `x-…`, whose names strict mode does not know. */
function prepare(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(prepare)
  if (node === null || typeof node !== 'object') return node
  const out: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(node)) {
    if (key.startsWith('x-') || key === '$schema') continue
    if (key === 'enum' || key === 'const' || key === 'default' || key === 'examples') out[key] = value
    else if (NAMED.has(key) && value !== null && typeof value === 'object') {
      out[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, prepare(inner)]))
    } else out[key] = prepare(value)
  }
  if (out['format'] === 'secret') out[SECRET] = true
  const marks = marksOf(node as Settings)
  if (marks !== null) out[MARKS] = marks
  return out
}

/** Keywords whose keys are names, not keywords. */
const NAMED = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
  'dependentRequired',
])

type Hides = (error: ErrorObject, path: Path) => boolean

function problemsOf(validate: Check, value: Record<string, unknown>, hides: Hides): WithProblem[] {
  const found = validate(value)
  if (found === null) return []
  const errors = withoutBranches(found)
  const seen = new Set<string>()
  const told = errors.map((error) => ({ error, problem: explain(error, value, hides) }))
  // What is missing is there, under a name that is nearly it: the name is the mistake.
  const meant = new Set(
    told.flatMap(({ error, problem }) => (isUnknownKey(error) ? [`${error.instancePath} ${problem.hint}`] : [])),
  )
  const isMeant = (error: ErrorObject): boolean =>
    wanted(error).some((name) => meant.has(`${error.instancePath} ${meantHint(name)}`))
  return told.flatMap(({ error, problem }) => {
    if (isMeant(error)) return []
    const key = JSON.stringify([problem.path, problem.message])
    if (seen.has(key)) return []
    seen.add(key)
    return [problem]
  })
}

/** Of the branches of an `anyOf` or `oneOf`, only the one that is nearest to fitting is told. */
function withoutBranches(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  let left = errors.filter((error) => error.keyword !== 'if')
  for (const choice of errors.filter((error) => isChoice(error.keyword))) {
    const inside = left.filter((error) => error !== choice && error.schemaPath.startsWith(`${choice.schemaPath}/`))
    if (inside.length === 0) continue
    const branches = Map.groupBy(
      inside,
      (error) => error.schemaPath.slice(choice.schemaPath.length + 1).split('/')[0] as string,
    )
    const rank = (branch: readonly ErrorObject[]) =>
      branch.length +
      (branch.some((error) => error.instancePath === choice.instancePath && error.keyword === 'type') ? 100 : 0)
    const best = [...branches.values()].toSorted((a, b) => rank(a) - rank(b))[0] as ErrorObject[]
    const told = rank(best) >= 100 || requiredOnly(choice.schema) !== null ? [choice] : best
    left = [...left.filter((error) => error !== choice && !inside.includes(error)), ...told]
  }
  return left
}

const isUnknownKey = ({ keyword }: ErrorObject): boolean =>
  keyword === 'additionalProperties' || keyword === 'unevaluatedProperties'

/** Names of settings that would mend it by being there. */
function wanted({ keyword, params, schema }: ErrorObject): readonly string[] {
  if (keyword === 'required' || keyword === 'dependentRequired') return [String(params['missingProperty'])]
  return isChoice(keyword) ? (requiredOnly(schema) ?? []) : []
}

const isChoice = (keyword: string): boolean => keyword === 'anyOf' || keyword === 'oneOf'

/** The names, where each branch of a choice wants one setting and nothing else. */
function requiredOnly(branches: unknown): readonly string[] | null {
  const names = (branches as readonly Settings[]).map((branch) => {
    const list = branch['required']
    return Object.keys(branch).length === 1 && Array.isArray(list) && list.length === 1 ? String(list[0]) : null
  })
  return names.every((name) => name !== null) ? names : null
}

const MAPPING_HINT = 'write it as a mapping; a ${VAR} may hold all of it as JSON'

/** YAML 1.1 had more words for true and false. */
function yesNoHint(wants: string | undefined, data: unknown): string | null {
  if (wants !== 'boolean' || typeof data !== 'string' || !/^(yes|no|on|off)$/i.test(data)) return null
  return `use ${/^(yes|on)$/i.test(data)}: YAML 1.2 reads this as text`
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  null: 'nothing',
}

function explain(error: ErrorObject, root: Record<string, unknown>, hides: Hides): WithProblem {
  const path = pathIn(root, error.instancePath)
  const { params, data } = error
  const hidden = hides(error, path)
  const got = hidden ? '' : ` (got ${show(data)})`
  switch (error.keyword) {
    case 'required':
      return { path, message: `"${params['missingProperty']}" is missing`, hint: requiredHint(error) }
    case 'dependentRequired':
      return {
        path,
        message: `"${params['missingProperty']}" is missing: "${params['property']}" needs it`,
        hint: requiredHint(error),
      }
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const key = String(params['additionalProperty'] ?? params['unevaluatedProperty'])
      const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
      return {
        path: [...path, key],
        message: `unknown setting "${key}"`,
        hint: didYouMean(key, known) ?? (known.length > 0 ? `known here: ${known.join(', ')}` : null),
        onKey: true,
      }
    }
    case 'type': {
      const types = [params['type']].flat() as string[]
      const wants =
        types.includes('number') || types.includes('integer')
          ? 'number'
          : types.includes('boolean')
            ? 'boolean'
            : types.includes('object') && typeof data === 'string'
              ? 'mapping'
              : undefined
      const hint = wants === 'mapping' ? MAPPING_HINT : yesNoHint(wants, hidden ? undefined : data)
      return {
        path,
        message: `must be ${types.map((type) => TYPE_WORDS[type] ?? type).join(' or ')}${got}`,
        hint,
        wants,
      }
    }
    case 'enum': {
      const allowed = params['allowedValues'] as unknown[]
      const hint = typeof data === 'string' && !hidden ? didYouMean(data, allowed.map(String)) : null
      return {
        path,
        message: `must be ${allowed.map((value) => JSON.stringify(value)).join(' or ')}${got}`,
        hint,
        wants: allowed.some((value) => typeof value === 'number') ? 'number' : undefined,
      }
    }
    case 'const':
      return { path, message: `must be ${JSON.stringify(params['allowedValue'])}${got}`, hint: null }
    case 'format':
      return {
        path,
        message: `must be ${FORMAT_WORDS[String(params['format'])] ?? `a ${params['format']}`}${got}`,
        hint: null,
      }
    case 'anyOf':
    case 'oneOf': {
      const names = requiredOnly(error.schema)
      if (names !== null)
        return { path, message: `needs one of ${names.map((name) => `"${name}"`).join(', ')}`, hint: null }
      return { path, message: `has none of the allowed shapes${got}`, hint: null }
    }
    default:
      return { path, message: `${error.message ?? 'is not allowed'}${got}`, hint: null }
  }
}

const FORMAT_WORDS: Readonly<Record<string, string>> = {
  uri: 'a URL such as https://example.com/path',
  url: 'a URL such as https://example.com/path',
  email: 'an e-mail address',
  duration: 'a duration such as 500ms, 1s, 5m, 2h or 1d',
  hostname: 'a host name',
  'date-time': 'a time such as 2026-01-31T00:00:00Z',
  date: 'a date such as 2026-01-31',
  uuid: 'a UUID',
}

function requiredHint(error: ErrorObject): string | null {
  const wanted = (
    error.parentSchema?.['properties'] as Record<string, { description?: unknown; title?: unknown }> | undefined
  )?.[error.params['missingProperty'] as string]
  const text = wanted?.description ?? wanted?.title
  return typeof text === 'string' ? text : null
}

/** A JSON pointer as a path: digits are an index where there is a list. */
function pathIn(root: unknown, pointer: string): Path {
  let value = root
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const step = Array.isArray(value) ? Number(key) : key
      value = (value as Record<string | number, unknown> | undefined)?.[step]
      return step
    })
}
