/** What zod found, as sentences about the file: what must be there, what is there, what to do. */
import type { z } from 'zod'
import type { Wanted } from './config.ts'
import type { Path } from './document.ts'
import { didYouMean } from './suggest.ts'

/** A mistake at a path; `onKey` means the key itself is what is wrong. */
export interface Mistake {
  readonly path: Path
  readonly message: string
  readonly hint: string | null
  readonly onKey: boolean
  /** The scalar type that was wanted, for values that came out of a variable and are text so far. */
  readonly wants?: Wanted | undefined
  /** A rule over the whole mapping at the path is broken. */
  readonly whole?: boolean
}

type Issue = z.core.$ZodIssue

interface Told {
  readonly root: unknown
  readonly known: ReadonlyMap<string, readonly string[]>
  readonly isHidden: (path: Path) => boolean
}

/** Runs the schema over the value; the mistakes are in the order of the file's structure. What is hidden is not quoted. */
export function inspect<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  isHidden: (path: Path) => boolean = () => false,
): { readonly data: z.output<Schema> } | { readonly mistakes: readonly Mistake[] } {
  const known = new Map<string, readonly string[]>()
  const result = schema.safeParse(value, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined
      const shape = (issue.inst as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape
      if (shape) known.set(JSON.stringify(issue.keys), Object.keys(shape))
      return undefined
    },
  })
  if (result.success) return { data: result.data }
  const mistakes = result.error.issues.flatMap((issue) => explain(issue, { root: value, known, isHidden }))
  const misspelt = new Set(
    mistakes.filter((mistake) => mistake.onKey).map((mistake) => JSON.stringify(mistake.path.slice(0, -1))),
  )
  // A rule over a whole mapping says nothing new when one of its keys is misspelt.
  return { mistakes: mistakes.filter((mistake) => !mistake.whole || !misspelt.has(JSON.stringify(mistake.path))) }
}

/** What stands there: a hidden value is one of its kind and nothing more. */
class Found {
  readonly value: unknown
  readonly hidden: boolean

  constructor(path: Path, { root, isHidden }: Told) {
    this.value = valueAt(root, path)
    this.hidden = isHidden(path)
  }

  /** ` (got "yes")`, or nothing. */
  get quoted(): string {
    return this.hidden ? '' : ` (got ${show(this.value)})`
  }
}

function explain(issue: Issue, told: Told): Mistake[] {
  const path = issue.path as (string | number)[]
  const got = new Found(path, told)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const candidates = told.known.get(JSON.stringify(issue.keys)) ?? []
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `unknown key "${key}"`,
        hint:
          didYouMean(key, candidates) ??
          (candidates.length > 0 && candidates.length <= 20 ? `known here: ${candidates.join(', ')}` : null),
        onKey: true,
      }))
    }
    case 'invalid_type':
      return [wrongType(path, issue.expected, got)]
    case 'invalid_value':
      return [wrongValue(path, issue.values, got)]
    case 'invalid_key':
      return [
        {
          path,
          message: `${show(path.at(-1))} is no valid key: ${issue.issues[0]?.message ?? 'it is not allowed'}`,
          hint: null,
          onKey: true,
        },
      ]
    case 'invalid_union':
      return explainUnion(issue, told)
    case 'too_small':
    case 'too_big':
      return [outOfBounds(path, issue, got)]
    case 'custom':
      return [
        {
          path,
          message: typeof got.value === 'object' ? issue.message : `${issue.message}${got.quoted}`,
          hint: null,
          onKey: false,
          whole: true,
        },
      ]
    default:
      return [{ path, message: `${issue.message}${got.quoted}`, hint: null, onKey: false }]
  }
}

/** The branch that took the value's type tells what is wrong inside; when none did, all are named. */
function explainUnion(issue: Extract<Issue, { code: 'invalid_union' }>, told: Told): Mistake[] {
  const path = issue.path as (string | number)[]
  const branches = issue.errors.map((errors) =>
    errors.map((inner): Issue => ({ ...inner, path: [...issue.path, ...inner.path] })),
  )
  const reaching = branches.filter(
    (errors) => !errors.some((inner) => inner.path.length === path.length && isKindIssue(inner)),
  )
  if (reaching.length > 0) {
    const best = reaching.toSorted((a, b) => score(a) - score(b))[0] as Issue[]
    return best.flatMap((inner) => explain(inner, told))
  }
  const kinds = branches.map((errors) =>
    errors.find((inner) => inner.path.length === path.length && isKindIssue(inner)),
  )
  const words = kinds.map((inner) => {
    if (inner?.code === 'invalid_type') return KIND_WORDS[inner.expected] ?? inner.expected
    return inner?.code === 'invalid_value' ? listOf(inner.values) : 'something else'
  })
  const found = new Found(path, told)
  const got = found.value
  const choices = kinds.flatMap((inner) => (inner?.code === 'invalid_value' ? inner.values.map(String) : []))
  return [
    {
      path,
      message: got === undefined ? 'is missing' : `must be ${[...new Set(words)].join(', or ')}${found.quoted}`,
      hint:
        typeof got === 'string' && !found.hidden
          ? (didYouMean(got, choices) ??
            booleanHint(
              got,
              kinds.some((inner) => inner?.code === 'invalid_type' && inner.expected === 'boolean'),
            ))
          : null,
      onKey: false,
    },
  ]
}

const isKindIssue = (issue: Issue): boolean => issue.code === 'invalid_type' || issue.code === 'invalid_value'

/** Unknown keys weigh most: the branch whose keys are all known is the one that was meant. */
const score = (issues: readonly Issue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 10 : 1), 0)

const KIND_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
}

function wrongType(path: Path, expected: string, found: Found): Mistake {
  const got = found.value
  const wanted = KIND_WORDS[expected] ?? expected
  const wants = expected === 'boolean' ? 'boolean' : expected === 'number' || expected === 'int' ? 'number' : undefined
  if (got === undefined)
    return {
      path,
      message: `"${String(path.at(-1) ?? 'the file')}" is missing`,
      hint: `it must be ${wanted}`,
      onKey: false,
      wants,
    }
  const hint = found.hidden ? null : typeHint(expected, got)
  return { path, message: `must be ${wanted}${found.quoted}`, hint, onKey: false, wants }
}

function typeHint(expected: string, got: unknown): string | null {
  if (expected === 'boolean' && typeof got === 'string') return booleanHint(got, true)
  if (expected === 'string' && (typeof got === 'number' || typeof got === 'boolean'))
    return `put it in quotes: "${got}"`
  if (expected === 'array' && got !== null) return 'write it as a list: [ ... ], or lines starting with "- "'
  if ((expected === 'number' || expected === 'int') && typeof got === 'string' && /^-?\d+(\.\d+)?$/.test(got))
    return 'write it without quotes'
  return null
}

/** `yes`, `no`, `on` and `off` were booleans in YAML 1.1; today they are text. */
function booleanHint(got: string, boolean: boolean): string | null {
  if (!boolean) return null
  if (/^(yes|on|true|y)$/i.test(got)) return 'use true: YAML 1.2 reads this as text'
  return /^(no|off|false|n)$/i.test(got) ? 'use false: YAML 1.2 reads this as text' : null
}

function wrongValue(path: Path, values: readonly unknown[], found: Found): Mistake {
  const got = found.value
  if (got === undefined)
    return { path, message: `"${String(path.at(-1))}" is missing`, hint: `it must be ${listOf(values)}`, onKey: false }
  return {
    path,
    message: `must be ${listOf(values)}${found.quoted}`,
    hint: typeof got === 'string' && !found.hidden ? didYouMean(got, values.map(String)) : null,
    onKey: false,
    wants: values.every((value) => typeof value === 'number') ? 'number' : undefined,
  }
}

function outOfBounds(path: Path, issue: Extract<Issue, { code: 'too_small' | 'too_big' }>, got: Found): Mistake {
  const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum
  const than = issue.code === 'too_small' ? 'at least' : 'at most'
  const noun = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : ''
  return {
    path,
    message: `must ${noun === '' ? 'be' : 'have'} ${than} ${bound}${noun}${got.quoted}`,
    hint: null,
    onKey: false,
  }
}

const listOf = (values: readonly unknown[]): string => values.map((value) => JSON.stringify(value)).join(' or ')

/** A value in a message: short, and clear about what kind it is. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object') return 'a mapping'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}..."` : text
}

/** What stands at the path; undefined when nothing does. */
export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => {
    if (value === null || typeof value !== 'object') return undefined
    return Object.hasOwn(value, part) ? (value as Record<string | number, unknown>)[part] : undefined
  }, root)
}
