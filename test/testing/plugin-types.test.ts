/** What a manifest says as types: the text, and that the compiler holds a plugin to it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { pluginFiles } from '../../core/cli/plugin-template.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { pluginTypes } from '../../core/registry/plugin-types.ts'
import { schemaType } from '../../core/registry/schema-type.ts'
import { ROOT } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { typeCheck } from './type-check.ts'

const seen = (schema: unknown) => schemaType(schema, { secret: 'SecretRef', filled: true })
const typed = (schema: unknown) => schemaType(schema, { secret: 'string', filled: false })

describe('a schema as a type', () => {
  test.each([
    [{ type: 'string' }, 'string'],
    [{ type: 'string', format: 'secret' }, 'SecretRef'],
    [{ type: ['integer', 'null'] }, 'number | null'],
    [{ enum: ['a', 1, null, "it's"] }, `'a' | 1 | null | 'it\\'s'`],
    [{ const: true }, 'true'],
    [{ type: 'array', items: { enum: ['a', 'b'] } }, `readonly ('a' | 'b')[]`],
    [{ type: 'array', items: { enum: ['a | b'] } }, `readonly 'a | b'[]`],
    [
      { type: 'array', items: { type: ['object', 'null'], properties: { a: { enum: ['x', 'y'] } } } },
      `readonly ({\n  readonly a?: 'x' | 'y'\n} | null)[]`,
    ],
    [
      { type: 'array', items: { properties: { a: { enum: ['x', 'y'], title: "don't | do" } } } },
      `readonly {\n  /** don't | do */\n  readonly a?: 'x' | 'y'\n}[]`,
    ],
    [
      { allOf: [{ properties: { a: {} } }, { anyOf: [{ properties: { b: {} } }, { type: 'null' }] }] },
      '{\n  readonly a?: Json\n} & ({\n  readonly b?: Json\n} | null)',
    ],
    [{ prefixItems: [{ type: 'string' }, { type: 'number' }], items: false }, 'readonly [string, number]'],
    [
      { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'boolean' } },
      'readonly [string, ...boolean[]]',
    ],
    [{ type: 'object', additionalProperties: { type: 'string' } }, '{ readonly [name: string]: string }'],
    [{ type: 'object', additionalProperties: false }, '{ readonly [name: string]: never }'],
    [{ anyOf: [{ type: 'string' }, { type: 'number' }] }, 'string | number'],
    [{ allOf: [{ enum: ['a', 'b'] }, { type: 'string' }] }, `('a' | 'b') & string`],
    [{ $ref: '#/$defs/x', $defs: { x: { type: 'boolean' } } }, 'boolean'],
    [{ $ref: '#/$defs/x', $defs: { x: { type: 'array', items: { $ref: '#/$defs/x' } } } }, 'readonly Json[]'],
    [{ $ref: 'https://elsewhere.example/' }, 'Json'],
    [{}, 'Json'],
    [false, 'never'],
  ])('%j', (schema, text) => expect(seen(schema)).toBe(text))

  test('what has a default is there for the plugin, and may be left out by the admin', () => {
    const schema = {
      properties: { 'a-b': { type: 'string', default: 'x' }, c: { type: 'number', description: 'Ends */ here' } },
      required: ['c'],
    }
    const end = '  /** Ends *\u200b/ here */\n  readonly c: number\n}'
    expect(seen(schema)).toBe(`{\n  readonly 'a-b': string\n${end}`)
    expect(typed(schema)).toBe(`{\n  readonly 'a-b'?: string\n${end}`)
  })
})

test('names of everything, and parts of events; what the manifest enqueues has no handler', () => {
  const text = pluginTypes(
    manifestSchema.parse({
      id: 'p',
      name: 'P',
      version: '1.0.0',
      hub: '^1.0',
      main: 'index.ts',
      on: {
        'response.submitted': { data: ['data', 'meta'] },
        'form.changed': {},
        'response.deleted': { enqueue: 'post' },
      },
      actions: { post: { data: ['form'] }, 'say-it': { input: { type: 'string' } } },
      schedules: { daily: { cron: '0 8 * * *' }, hourly: { cron: '0 * * * *' } },
      routes: { 'POST /hook': {} },
      config: {},
    }),
  )
  expect(text.slice(text.indexOf('export interface Plugin'))).toBe(`export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'response.submitted': 'data' | 'meta'
    readonly 'form.changed': never
  }
  readonly actions: {
    readonly post: { readonly input: Json; readonly data: 'form' }
    readonly 'say-it': { readonly input: string; readonly data: never }
  }
  readonly schedules: 'daily' | 'hourly'
  readonly routes: 'POST /hook'
}
`)
  expect(text).toContain("import type { Json } from 'manifold/plugin'")
})

const swap = (from: string, to: string) => (code: string) => code.replace(from, to)

/** How the template's code is changed, and what the compiler has to say of it. */
const MISTAKES: readonly (readonly [what: string, change: (code: string) => string, message: RegExp])[] = [
  [
    'an action that is not there',
    swap("enqueue('post'", "enqueue('posst'"),
    /'"posst"' is not assignable to .*'"post"'/,
  ],
  [
    "an input that is not the action's",
    swap('answers: event.data', 'answer: event.data'),
    /'answer' does not exist in type/,
  ],
  [
    'a part of the event that was not asked for',
    swap('answers: event.data', 'answers: event.meta'),
    /'meta' does not exist/,
  ],
  ['a setting that is not there', swap('const { url, token }', 'const { urls, token }'), /'urls' does not exist/],
  ['a setting that may be left out', swap('token === undefined ? {} : ', ''), /SecretRef \| undefined/],
  [
    'a secret as text',
    swap("'idempotency-key': item.delivery.id", "'idempotency-key': token?.trim() ?? ''"),
    /'trim' does not exist/,
  ],
  [
    'a handler of another event',
    swap("'response.submitted': (", "'response.sumbitted': ("),
    /'response\.sumbitted'' does not exist in type/,
  ],
  ['an action that is missing', swap('    post: {\n', '    posts: {\n'), /'posts' does not exist in type/],
  [
    'the event of an action that asked for none',
    swap('json: item.input', 'json: item.event'),
    /'event' does not exist/,
  ],
]

describe('the compiler', () => {
  let mistakes: ReadonlyMap<string, readonly string[]>
  beforeAll(async () => {
    await using temp = await tempDir('types')
    await writeTemplate(temp.file('as-it-is'))
    for (const [at, [, change]] of MISTAKES.entries()) await writeTemplate(temp.file(`changed-${at}`), change)
    mistakes = await typeCheck(temp.path)
  })

  test('takes the template as it is, tests included', () => expect(mistakes.get('as-it-is')).toEqual([]))

  test.each(MISTAKES.map(([what, , message], at) => ({ what, message, at })))('refuses $what', ({ message, at }) => {
    const told = mistakes.get(`changed-${at}`) ?? []
    expect(told.length).toBeGreaterThan(0)
    expect(told.join('\n')).toMatch(message)
    expect(told.filter((line) => !line.startsWith('index.ts('))).toEqual([])
  })
})

/** The template in a folder of its own, its code changed. */
async function writeTemplate(dir: string, change?: (code: string) => string): Promise<void> {
  await mkdir(dir)
  const files = pluginFiles('greeter', relative(dir, ROOT.replace(/\/$/, '')))
  const code = files['index.ts'] ?? ''
  const changed = change?.(code) ?? code
  if (change !== undefined && changed === code) throw new Error('The template has changed: the test changes nothing.')
  for (const [name, text] of Object.entries({ ...files, 'index.ts': changed })) await writeFile(`${dir}/${name}`, text)
}
