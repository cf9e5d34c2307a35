/** Templates: what comes out is what was meant, is JSON, and never more than data. */
import type { Json } from 'manifold/plugin'
import { describe, expect, test } from 'vitest'
import { submittedItem } from '../../test/capabilities/native-run.ts'
import { viewOf } from './payload.ts'
import { compileTemplate, TemplateError } from './template.ts'

const ANSWERS = {
  email: 'ada@example.com',
  budget: 1200.5,
  agree: false,
  topics: ['a', 'b'],
  nothing: null,
  nested: { deep: { er: [1, { x: 'y' }] } },
  people: [
    { name: 'Ada', likes: ['x', 'y'] },
    { name: 'Bob', likes: [] },
  ],
} as const

const item = submittedItem(ANSWERS)
const render = (template: Json, data: { readonly [key: string]: Json } = ANSWERS): unknown =>
  JSON.parse(compileTemplate(template, { json: true })(viewOf(submittedItem(data)))) as unknown
const text = (template: string, data?: { readonly [key: string]: Json }) =>
  (render({ t: template }, data) as { t: unknown }).t

function failure(template: Json, json = true): TemplateError {
  try {
    compileTemplate(template, { json })(viewOf(item))
  } catch (error) {
    if (error instanceof TemplateError) return error
    throw error
  }
  throw new Error('it rendered')
}

describe('what tags become', () => {
  test('a string that is one tag keeps the type of the value', () => {
    expect(
      render({
        number: '{{data.budget}}',
        boolean: '{{ data.agree }}',
        list: '{{data.topics}}',
        object: '{{{data.nested}}}',
        null: '{{data.nothing}}',
        missing: '{{data.absent}}',
        text: '{{&data.email}}',
      }),
    ).toEqual({
      number: 1200.5,
      boolean: false,
      list: ['a', 'b'],
      object: { deep: { er: [1, { x: 'y' }] } },
      null: null,
      missing: null,
      text: 'ada@example.com',
    })
  })

  test('within other text values read as people read them', () => {
    expect(
      text(
        '{{data.email}} wants {{data.budget}} for {{data.topics}}; {{data.agree}}, {{data.nothing}}{{data.absent}}.',
      ),
    ).toBe('ada@example.com wants 1200.5 for a, b; false, .')
    expect(text(' {{data.budget}}')).toBe(' 1200.5')
    expect(text('{{data.nested.deep}}!')).toBe('{"er":[1,{"x":"y"}]}!')
  })

  test('every root is there, in snake_case', () => {
    const made = compileTemplate(
      '{"r":"{{response.id}}","s":"{{response.submitted_at}}","f":"{{form.name}}","v":"{{form.version}}","e":"{{event.id}}","t":"{{event.type}}","at":"{{event.at}}","ip":"{{meta.ip}}","u":"{{meta.utm.source}}","d":"{{delivery.id}}","n":"{{delivery.attempt}}"}',
      { json: true },
    )(viewOf(item))
    expect(JSON.parse(made)).toEqual({
      r: item.event?.response?.id,
      s: '2026-03-01T12:00:00.000Z',
      f: 'Contact us',
      v: 3,
      e: item.event?.id,
      t: 'response.submitted',
      at: '2026-03-01T12:00:00.000Z',
      ip: '203.0.113.7',
      u: 'ads',
      d: item.delivery.id,
      n: 1,
    })
  })

  test('sections: lists, objects, truth, absence, the item itself, names from outside', () => {
    expect(
      text(
        '{{#data.people}}{{name}} ({{#likes}}{{.}}{{/likes}}{{^likes}}nothing{{/likes}}) of {{form.name}}; {{/data.people}}',
      ),
    ).toBe('Ada (xy) of Contact us; Bob (nothing) of Contact us; ')
    expect(text('{{#data.nested.deep}}{{er}}{{/data.nested.deep}}')).toBe('1, {"x":"y"}')
    expect(
      text('{{#data.agree}}yes{{/data.agree}}{{^data.agree}}no{{/data.agree}}{{^data.absent}}none{{/data.absent}}'),
    ).toBe('nonone')
    expect(text('{{#answers}}{{label}}={{value}};{{/answers}}')).toBe(
      'E-mail=ada@example.com;Budget=1200.5;Topics=a, b;',
    )
    expect(text('a{{! a comment }}b')).toBe('ab')
    expect(text('{{=<% %>=}}<%data.email%> {{data.email}}')).toBe('ada@example.com {{data.email}}')
  })

  test('constants, numbers, lists and keys stay as written', () => {
    const constant = { a: [1, true, null, 'x', { 'b"\n': '"' }], empty: '', e: {}, l: [] }
    expect(render(constant)).toEqual(constant)
    expect(render('{{data}}')).toEqual(ANSWERS)
    expect(render('{"a": ["{{data.budget}}"]}')).toEqual({ a: [1200.5] })
    expect(render(7)).toBe(7)
  })
})

describe('nothing is evaluated twice', () => {
  const hostile = [
    '{{data.email}}',
    '{{{data}}}',
    '{{#data}}{{.}}{{/data}}',
    '","admin":true,"x":"',
    '\\","y":"',
    '</script><b>&amp;\'"`',
    '\u2028\u2029\0\u001f\ud800',
    '${7*7} <%= 7*7 %> #{7*7} {% debug %} {{=<% %>=}}',
    '__proto__',
  ]

  test('answers that look like templates or JSON come out verbatim', () => {
    for (const email of hostile) {
      const whole = render(
        { a: '{{data.email}}', b: 'x {{data.email}} y', c: '{{#data}}{{email}}{{/data}}' },
        { email },
      )
      expect(whole).toEqual({ a: email, b: `x ${email} y`, c: email })
    }
  })

  test('only own properties are found', () => {
    for (const name of [
      'constructor',
      '__proto__',
      'toString',
      'hasOwnProperty',
      'constructor.constructor',
      '__proto__.polluted',
    ]) {
      for (const path of [name, `data.${name}`, `data.email.${name}`, `data.topics.${name}`, `event.${name}`]) {
        expect([path, text(`[{{${path}}}]`)]).toEqual([path, '[]'])
        expect([path, text(`{{${path}}}`)]).toEqual([path, null])
        expect(text(`{{#${path}}}in{{/${path}}}`)).toBe('')
      }
    }
  })

  test('answers and template keys named __proto__ stay data', () => {
    const answers = JSON.parse('{"__proto__":{"polluted":"yes"},"constructor":"mine"}') as {
      readonly [key: string]: Json
    }
    const out = compileTemplate(
      JSON.parse('{"__proto__":{"x":"{{data.__proto__.polluted}}"},"c":"{{data.constructor}}"}') as Json,
      { json: true },
    )(viewOf(submittedItem(answers)))
    expect(out).toBe('{"__proto__":{"x":"yes"},"c":"mine"}')
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test('whatever is put in, what comes out is one JSON value with the same keys', () => {
    // A fixed generator: the same thousand odd strings at every run.
    let seed = 42
    const random = (max: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % max
    const alphabet = [
      '"',
      '\\',
      '{',
      '}',
      '{{',
      '}}',
      '[',
      ']',
      ',',
      ':',
      '\n',
      '\u2028',
      'é',
      '😀',
      'a',
      '\0',
      '#data',
      '/',
      '\ud800',
    ]
    const template = { a: '{{data.x}}', 'k"': ['{{data.x}}{{data.x}}', { b: '-{{#data.x}}{{.}}{{/data.x}}-' }] }
    for (let i = 0; i < 1_000; i++) {
      const x = Array.from({ length: random(12) }, () => alphabet[random(alphabet.length)]).join('')
      expect(render(template, { x })).toEqual({ a: x, 'k"': [x + x, { b: `-${x}-` }] })
    }
  })
})

describe('what cannot be rendered is refused with its place', () => {
  test.each<[string, Json, string, string]>([
    ['an unclosed tag', { a: ['x', { 'b/c~': '{{data.email' }] }, '/a/1/b~1c~0', 'Unclosed tag'],
    ['an unclosed section', { s: '{{#data}}x' }, '/s', 'Unclosed section'],
    ['a section closed by another', { s: '{{#data}}{{/form}}' }, '/s', 'Unclosed section'],
    ['a partial', { s: '{{> other}}' }, '/s', 'partials'],
    ['a tag in a key', { ok: 1, '{{data.email}}': 2 }, '/{{data.email}}', 'keys are not rendered'],
    ['text that is no JSON', '{"n": {{data.budget}}}', '', 'tags go inside strings'],
    ['half of a JSON text', '{"n": ', '', 'is not JSON'],
    [
      'a deep template',
      JSON.parse('['.repeat(40) + ']'.repeat(40)) as Json,
      `${'/0'.repeat(33)}`,
      'nested deeper than 32',
    ],
  ])('%s', (_name, template, pointer, message) => {
    const error = failure(template)
    expect(error.pointer).toBe(pointer)
    expect(error.message).toContain(message)
  })

  test('without JSON the template is one text', () => {
    expect(compileTemplate('{{data.email}}, {{data.budget}}', { json: false })(viewOf(item))).toBe(
      'ada@example.com, 1200.5',
    )
    expect(compileTemplate('"{{data.email}}"', { json: false })(viewOf(submittedItem({ email: '{{x}}"' })))).toBe(
      '"{{x}}""',
    )
    expect(failure({ a: 1 }, false).message).toContain('has to be text')
  })
})

describe('bounds', () => {
  test('a hundred thousand nested sections end at once', () => {
    const nested = '{{#data}}'.repeat(100_000) + '{{/data}}'.repeat(100_000)
    expect(failure({ s: nested }).message).toContain('longer than')
    expect(failure({ s: '{{#a}}'.repeat(3_000) + '{{/a}}'.repeat(3_000) }).message).toContain('nested deeper than 32')
  })

  test('lists inside lists cannot multiply without end', () => {
    const list = Array.from({ length: 100 }, () => 'x')
    const cube = (depth: number): string => (depth === 0 ? '.' : `{{#data.list}}${cube(depth - 1)}{{/data.list}}`)
    expect(() => text(cube(4), { list })).toThrow('takes more than 200000 steps')
    expect(text(cube(2), { list })).toBe('.'.repeat(10_000))
    const long = 'y'.repeat(20_000)
    expect(() => text('{{#data.list}}{{data.long}}{{/data.list}}', { list, long })).toThrow(
      'renders to more than 1000000 characters',
    )
  })

  test('a template has a limited number of values', () => {
    expect(failure(Array.from({ length: 10_001 }, () => 1)).message).toContain('more than 10000 values')
  })
})
