/** Filters: what they match, what they refuse, and that no pattern or name can hurt the hub. */
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { compileFilter } from '../../core/routing/filter.ts'

const subject = {
  data: JSON.parse(
    '{"budget":1500,"email":"ada@example.com","tags":["red","blue"],"when":"2026-03-01","none":null,"ok":true,' +
      '"items":[{"price":5},{"price":50,"name":"lamp"}],"nested":{"deep":{"x":1}},"__proto__":{"polluted":1},"constructor":"c"}',
  ) as unknown,
  meta: { ip: '192.0.2.1' },
  form: { id: 'contact', name: 'Contact', version: 2 },
  response: { id: 'rsp_1', status: 'completed' },
  event: { id: 'evt_1', type: 'response.submitted', at: '2026-03-01T00:00:00.000Z' },
}

function matches(filter: unknown): boolean {
  const compiled = compileFilter(filter, LIMITS)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  return compiled.match(subject)
}

const problems = (filter: unknown) => {
  const compiled = compileFilter(filter, LIMITS)
  return compiled.ok ? [] : compiled.problems
}

describe('matches', () => {
  test.each([
    [{}],
    [{ 'data.budget': 1500 }],
    [{ 'data.budget': { $gte: 1500, $lt: 1501 } }],
    [{ 'data.email': { $regex: '@example\\.com$' } }],
    [{ 'data.email': { $regex: '^ADA', $options: 'i' } }],
    [{ 'data.tags': 'red' }],
    [{ 'data.tags': ['red', 'blue'] }],
    [{ 'data.tags': { $in: ['green', 'blue'] } }],
    [{ 'data.tags': { $nin: ['green'] } }],
    [{ 'data.tags.1': 'blue' }],
    [{ 'data.items.price': { $gt: 10 } }],
    [{ 'data.items.name': 'lamp' }],
    [{ 'data.items.0.price': 5 }],
    [{ 'data.nested': { deep: { x: 1 } } }],
    [{ 'data.nested.deep.x': 1 }],
    [{ 'data.when': { $gt: '2026-02-28', $lte: '2026-03-01' } }],
    [{ 'data.none': null }],
    [{ 'data.missing': null }],
    [{ 'data.none': { $exists: true } }],
    [{ 'data.missing': { $exists: false } }],
    [{ 'data.missing': { $ne: 1 } }],
    [{ 'data.missing': { $nin: [1] } }],
    [{ 'data.missing': { $in: [null] } }],
    [{ 'data.ok': true }],
    [{ 'data.budget': { $not: { $gt: 2000 } } }],
    [{ $or: [{ 'data.budget': 1 }, { 'form.id': 'contact' }] }],
    [{ $and: [{ 'data.budget': 1500 }, { 'meta.ip': '192.0.2.1' }] }],
    [{ $nor: [{ 'data.budget': 1 }, { 'data.ok': false }] }],
    [{ 'response.status': 'completed', 'event.type': { $eq: 'response.submitted' } }],
    [{ 'data.__proto__.polluted': 1 }],
    [{ 'data.constructor': 'c' }],
  ])('%j', (filter) => {
    expect(matches(filter)).toBe(true)
  })
})

describe('does not match', () => {
  test.each([
    [{ 'data.budget': '1500' }],
    [{ 'data.budget': { $gt: '1' } }],
    [{ 'data.ok': { $gt: 0 } }],
    [{ 'data.ok': 1 }],
    [{ 'data.tags': ['blue', 'red'] }],
    [{ 'data.tags': { $ne: 'red' } }],
    [{ 'data.none': { $exists: false } }],
    [{ 'data.missing': { $gt: 0 } }],
    [{ 'data.budget': { $regex: '15' } }],
    [{ 'data.nested': { deep: { x: 2 } } }],
    [{ 'data.toString': { $exists: true } }],
    [{ 'data.hasOwnProperty': { $exists: true } }],
    [{ 'form.constructor': { $exists: true } }],
    [{ 'data.tags.length': 2 }],
    [{ 'data.email.length': 15 }],
    [{ $nor: [{ 'data.budget': 1500 }] }],
    [{ 'data.budget': { $not: { $gt: 1000 } } }],
  ])('%j', (filter) => {
    expect(matches(filter)).toBe(false)
  })
})

describe('is refused with the place', () => {
  const deep = (levels: number): unknown => {
    let filter: unknown = { 'data.a': 1 }
    for (let level = 0; level < levels; level++) filter = { $and: [filter] }
    return filter
  }
  test.each([
    ['not an object', 7, ''],
    ['a list', [], ''],
    ['a path that starts elsewhere', { budget: 1 }, '/budget'],
    ['an empty path part', { 'data..a': 1 }, '/data..a'],
    ['an unknown operator', { 'data.a': { $where: 'x' } }, '/data.a/$where'],
    ['an unknown logic', { $xor: [] }, '/$xor'],
    ['logic without a list', { $or: {} }, '/$or'],
    ['an empty list', { $and: [] }, '/$and'],
    ['operators and keys mixed', { 'data.a': { $gt: 1, b: 2 } }, '/data.a'],
    ['an order on a list', { 'data.a': { $gt: [1] } }, '/data.a/$gt'],
    ['$in without a list', { 'data.a': { $in: 1 } }, '/data.a/$in'],
    ['$exists with text', { 'data.a': { $exists: 'yes' } }, '/data.a/$exists'],
    ['$options alone', { 'data.a': { $options: 'i' } }, '/data.a/$options'],
    ['an unknown regex option', { 'data.a': { $regex: 'a', $options: 'g' } }, '/data.a/$regex'],
    ['a broken regex', { 'data.a': { $regex: '(' } }, '/data.a/$regex'],
    ['a regex with look-ahead', { 'data.a': { $regex: 'a(?=b)' } }, '/data.a/$regex'],
    ['$not with a value', { 'data.a': { $not: 5 } }, '/data.a/$not'],
    ['a long regex', { 'data.a': { $regex: 'a'.repeat(LIMITS.filterRegexCharsMax + 1) } }, '/data.a/$regex'],
    ['a regex whose repetitions multiply', { 'data.a': { $regex: '((a{30}){30}){30}' } }, '/data.a/$regex'],
    ['a long $in', { 'data.a': { $in: Array.from({ length: LIMITS.filterInItemsMax + 1 }, () => 0) } }, '/data.a/$in'],
    ['a place with / and ~', { $or: [{ 'data.a/b~c': { $gt: null } }] }, '/$or/0/data.a~1b~0c/$gt'],
  ])('%s', (_name, filter, pointer) => {
    const found = problems(filter)
    expect(found.map((problem) => problem.pointer)).toContain(pointer)
    for (const { detail } of found) expect(detail.length).toBeGreaterThan(10)
  })

  test('depth and number of conditions', () => {
    expect(problems(deep(LIMITS.filterDepthMax))).toEqual([])
    expect(problems(deep(LIMITS.filterDepthMax + 1))[0]?.detail).toMatch(/deep/)
    expect(problems(deep(10_000))[0]?.detail).toMatch(/deep/)
    const wide = (count: number) => ({ $or: Array.from({ length: count }, (_, n) => ({ 'data.a': n })) })
    expect(problems(wide(90))).toEqual([])
    const tooWide = problems(wide(50_000))
    expect(tooWide).toHaveLength(1)
    expect(tooWide[0]?.detail).toMatch(/more than 200/)
  })
})

test('patterns that explode elsewhere end here', () => {
  // A backtracking engine would need longer than the universe has.
  for (const pattern of ['(a+)+$', '(a|a)*b', '(.*)*x', '(a|aa)+$', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
    const compiled = compileFilter({ 'data.a': { $regex: pattern } }, LIMITS)
    if (!compiled.ok) throw new Error(pattern)
    expect(compiled.match({ ...subject, data: { a: `${'a'.repeat(LIMITS.filterRegexSubjectCharsMax - 1)}!` } })).toBe(
      false,
    )
  }
})

test('a pattern looks at the first characters only', () => {
  const compiled = compileFilter({ 'data.a': { $regex: 'needle' } }, LIMITS)
  if (!compiled.ok) throw new Error('compiles')
  const hay = (chars: number) => ({ ...subject, data: { a: `${'x'.repeat(chars)}needle` } })
  expect(compiled.match(hay(LIMITS.filterRegexSubjectCharsMax - 6))).toBe(true)
  expect(compiled.match(hay(LIMITS.filterRegexSubjectCharsMax))).toBe(false)
})
