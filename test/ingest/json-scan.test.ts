/** The scan that every JSON body passes before it is parsed. */
import { describe, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { parseJson, scanJson, splitArray } from '../../core/ingest/json-scan.ts'
import { LIMITS } from '../../core/limits.ts'

const limits = { jsonDepthMax: 4, jsonKeysMax: 10, stringCharsMax: 8 }

const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof HubError) return error.code
    throw error
  }
  return 'none'
}
const parse = (text: string | Buffer) => parseJson(Buffer.from(text as string), limits)

describe('limits', () => {
  test.each([
    ['[[[[1]]]]', 'none'],
    ['[[[[[1]]]]]', 'too_deep'],
    ['{"a":{"a":{"a":{"a":{}}}}}', 'too_deep'],
    // Brackets inside strings are text, and an escaped quote does not end one.
    ['"[[[[[["', 'none'],
    [String.raw`"\"[[[[["`, 'none'],
    ['[1,2,3,4,5,6,7,8,9,10]', 'none'],
    ['[1,2,3,4,5,6,7,8,9,10,11]', 'too_many_keys'],
    ['[[],[],[],[],[],[],[],[],[],[],[]]', 'too_many_keys'],
    ['{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":0,"k":1}', 'too_many_keys'],
    ['"12345678"', 'none'],
    ['"123456789"', 'string_too_long'],
    // 8 characters, 24 bytes; then 8 characters of which each is written as an escape of 6 bytes.
    ['"€€€€€€€€"', 'none'],
    [`"${String.raw`\u0041`.repeat(8)}"`, 'none'],
    [`"${String.raw`\u0041`.repeat(9)}"`, 'string_too_long'],
    ['{"a very long key":1}', 'string_too_long'],
    // Outside the basic plane a character counts as two, as in JavaScript.
    ['"😀😀😀😀"', 'none'],
    ['"😀😀😀😀😀"', 'string_too_long'],
  ])('%s: %s', (text, code) => {
    expect(codeOf(() => parse(text))).toBe(code)
  })

  test('a hundred thousand brackets and a million keys are refused by counting, not by parsing', () => {
    expect(codeOf(() => parseJson(Buffer.from('['.repeat(100_000)), LIMITS))).toBe('too_deep')
    const keys = Buffer.from(`{${Array.from({ length: 1_000_000 }, (_, i) => `"${i}":1`).join(',')}}`)
    expect(codeOf(() => parseJson(keys, LIMITS))).toBe('too_many_keys')
  })

  test('the scan agrees with what JSON.parse finds, for thousands of generated values', () => {
    let seed = 7
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
    const make = (depth: number): unknown => {
      const kind = random(depth > 5 ? 3 : 5)
      if (kind === 0) return random(1_000)
      if (kind === 1) return '"[{,:}]\\é😀'.slice(0, random(11))
      if (kind === 2) return random(2) === 0 ? null : true
      const children = Array.from({ length: random(4) }, () => make(depth + 1))
      return kind === 3 ? children : Object.fromEntries(children.map((child, i) => [`k${i}:{"`, child]))
    }
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0
    for (let round = 0; round < 3_000; round++) {
      const value = make(0)
      const bytes = Buffer.from(JSON.stringify(value, null, random(3)))
      const depth = depthOf(value)
      expect(
        codeOf(() => scanJson(bytes, { ...LIMITS, jsonDepthMax: depth })),
        bytes.toString(),
      ).toBe('none')
      if (depth > 0) expect(codeOf(() => scanJson(bytes, { ...LIMITS, jsonDepthMax: depth - 1 }))).toBe('too_deep')
    }
  })
})

describe('parsing', () => {
  test.each([
    ['', 'empty'],
    ['   ', 'empty'],
    ['{"a":1', 'column 7'],
    ['{"a" 1}', 'column 6'],
    ['{"a":1}\n{"b":2}', 'line 2, column 1'],
    ['\ufeff{}', 'not JSON'],
    ["{'a':1}", 'column 2'],
    ['"unterminated', 'column 14'],
  ])('%j is refused and says where', (text, part) => {
    expect(() => parseJson(Buffer.from(text), LIMITS)).toThrow(HubError)
    expect(() => parseJson(Buffer.from(text), LIMITS)).toThrow(part)
  })

  test.each([
    [[0x22, 0xff, 0x22]],
    [[0x22, 0xc0, 0xaf, 0x22]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0x22, 0xe2, 0x82, 0x22]],
  ])('bytes %j are not UTF-8', (bytes) => {
    expect(() => parseJson(Buffer.from(bytes), LIMITS)).toThrow('UTF-8')
  })

  test('of duplicate keys the last one wins', () => {
    expect(parse('{"a":1,"a":2}')).toEqual({ a: 2 })
  })

  test('names that mean something to JavaScript stay data', () => {
    const value = parseJson(
      Buffer.from('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
      LIMITS,
    ) as object
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('splitting an array', () => {
  const split = (text: string, rowsMax = 5) =>
    splitArray(Buffer.from(text), { depthMax: 4, rowsMax }).map((row) => row.toString().trim())
  test.each<[string, string[]]>([
    ['[]', []],
    [' [ ] ', []],
    ['[1]', ['1']],
    ['[{"a":[1,2]}, {"b":"],[\\""} ,3]', ['{"a":[1,2]}', '{"b":"],[\\""}', '3']],
    // A row that is not JSON is that row's trouble.
    ['[{"a":1},{nonsense},{"b":2}]', ['{"a":1}', '{nonsense}', '{"b":2}']],
  ])('%s', (text, rows) => expect(split(text)).toEqual(rows))

  test.each([
    ['{"a":1}', 'invalid_json'],
    ['[1,2', 'invalid_json'],
    ['[1] 2', 'invalid_json'],
    ['', 'invalid_json'],
    ['[1,2,3,4,5,6]', 'body_too_large'],
    ['[[[[[[1]]]]]]', 'too_deep'],
  ])('%s: %s', (text, code) => expect(codeOf(() => split(text))).toBe(code))
})
