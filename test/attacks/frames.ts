/** Frames as a guest that took over its half of the bridge might send them, from nearly right to nonsense. */
import type { Dice } from './dice.ts'

const deep = (levels: number): string => `${'['.repeat(levels)}1${']'.repeat(levels)}`
const ODD: readonly string[] = [
  'null',
  'true',
  '0',
  '-0',
  '1',
  '-1',
  '0.5',
  '1e308',
  '-1e308',
  '1e999',
  '9007199254740993',
  '""',
  '"x"',
  '[]',
  '{}',
  '"\\ud800"',
  '"\\u0000"',
  '"__proto__"',
  '"constructor"',
  '[[]]',
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"toJSON":1,"then":2,"length":1e9}',
  deep(40),
  deep(2e3),
  `"${'x'.repeat(3e3)}"`,
  `[${'1,'.repeat(2e3)}1]`,
  '{"$secret":"config.token"}',
]
const NAMES: readonly string[] = [
  'http',
  'hmac',
  'sign',
  'token',
  'kv.get',
  'kv.list',
  'responses.get',
  'responses.list',
  'tallies',
  'emit',
  'constructor',
  '__proto__',
  'eval',
]
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  q: [
    '[{"action":"act","input":1}]',
    '[{"action":"act","input":1,"key":"k","delayMs":-1}]',
    '[{"action":"other/act","input":{}}]',
  ],
  k: [
    '[{"key":"a","value":1}]',
    '[{"key":"../other","value":1}]',
    '[{"key":"a","value":1,"ttlMs":1e308}]',
    '[{"key":""}]',
  ],
  m: [
    '[{"name":"e","data":{}}]',
    '[{"name":"plugin.other.e","data":{}}]',
    '[{"name":"response.submitted","data":{"__proto__":1}}]',
  ],
  t: ['[{"name":"t","by":1}]', '[{"name":"t","by":1e308}]', '[{"name":"__proto__","by":-1}]'],
  p: ['[{"name":"m","by":1}]', '[{"name":"m\\nevil 1","by":1}]'],
}

/** Any JSON value as text, now and then a broken one. */
function value(roll: Dice): string {
  const odd = roll.pick(ODD)
  return roll.below(40) === 0 ? odd.slice(0, -1) : odd
}

/** One report as text. `lane` and `run` are those that would be right. */
export function report(roll: Dice, right: { lane: number; run: number }): string {
  const parts: string[] = []
  const mostly = (name: string, text: string): void => {
    if (roll.below(12) > 0) parts.push(`"${name}":${roll.below(6) === 0 ? value(roll) : text}`)
  }
  const perhaps = (name: string, text: () => string): void => {
    if (roll.below(3) === 0) parts.push(`"${name}":${roll.below(3) === 0 ? value(roll) : text()}`)
  }
  mostly('l', String(roll.below(5) === 0 ? right.lane + roll.below(7) - 3 : right.lane))
  mostly('r', String(roll.below(4) === 0 ? roll.below(6) - 2 : right.run))
  if (roll.below(2) === 0) {
    mostly('c', String(roll.below(900)))
    mostly('n', JSON.stringify(roll.pick(NAMES)))
    mostly('a', roll.pick(['{"key":"a"}', '{"url":"http://127.0.0.1/"}', '[]', 'null']))
  } else {
    perhaps('v', () =>
      roll.pick([
        '{"outcome":"delivered"}',
        '[{"outcome":"dead","code":"x","message":"y","disable":true}]',
        '{"status":200,"body":"x"}',
      ]),
    )
    perhaps(
      'e',
      () =>
        `{${Object.entries(FIELDS)
          .map(([name, list]) => `"${name}":${roll.below(4) === 0 ? value(roll) : roll.pick(list)}`)
          .join()}}`,
    )
    perhaps('g', () =>
      roll.pick([
        '[{"level":"info","message":"m"}]',
        '[{"level":"fatal","message":"m"}]',
        '[{"level":"info","message":"m","fields":{"a":1}}]',
      ]),
    )
    perhaps('d', () => String(roll.below(10) - 5))
    perhaps('x', () =>
      roll.pick([
        '{"name":"E","message":"m","stack":"at x (plugin.js:1:1)"}',
        '{"name":1}',
        '{"code":"unauthorized","message":"m","name":"","stack":""}',
        '{"code":"plugin_interrupted","message":"m","name":"","stack":""}',
      ]),
    )
  }
  if (roll.below(10) === 0) parts.push(`"__proto__":${value(roll)}`)
  return `{${parts.join()}}`
}

/** More calls than any run may make, each as it should be. */
const flood = ({ lane, run }: { lane: number; run: number }): string =>
  `[${Array.from({ length: 900 }, (_, c) => `{"l":${lane},"r":${run},"c":${c},"n":"kv.get","a":{"key":"a"}}`).join()}]`

/** Everything of one slice. */
export function frame(roll: Dice, right: { lane: number; run: number }): string {
  if (roll.below(12) === 0) return value(roll)
  if (roll.below(25) === 0) return flood(right)
  const many = roll.below(20) === 0 ? 900 : 1 + roll.below(4)
  return `[${Array.from({ length: many }, () => (roll.below(15) === 0 ? value(roll) : report(roll, right))).join()}]`
}

/** A message of a child whose whole process was taken over, as the expression of a JavaScript value. */
export function childMessage(roll: Dice): string {
  const kind = roll.pick([
    'ready',
    'beat',
    'loaded',
    'refused',
    'out',
    'stray',
    'breach',
    'stuck',
    'guest',
    '__proto__',
    'constructor',
    '',
  ])
  const part = (): string =>
    roll.pick([
      '0',
      '1',
      '2',
      '3',
      '-1',
      '1e9',
      'NaN',
      'Infinity',
      '-0',
      '1n',
      'null',
      'undefined',
      '""',
      '"x"',
      '[]',
      '[1]',
      '["a"]',
      '{}',
      '[1,2,3]',
      'new Map()',
      'new Error("e")',
      'new Date(NaN)',
      '/x/',
      'new Uint8Array(9)',
      '"["',
      '"[null]"',
      `'[{"l":1,"r":0,"v":1}]'`,
      '"slice"',
      '{ name: "E", message: "m", stack: "s" }',
      '{ name: 1 }',
      '(() => { const o = []; o[0] = o; return o })()',
      '"x".repeat(1e6)',
      '[,1]',
    ])
  return `[${[JSON.stringify(kind), ...Array.from({ length: roll.below(6) }, part)].join()}]`
}
