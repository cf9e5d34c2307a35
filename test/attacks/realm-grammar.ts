/**
 * Ways out of a realm, as a grammar: a source (something the plugin can lay hands on), a path (a step from one thing to
 * the next), a goal (what would be a way out, told with the word ESCAPED). All text is JavaScript that runs in the guest.
 */
import type { Dice } from './dice.ts'

/** Expressions; `ctx` and `event` are in scope, `caught(f)` is what f throws or rejects with. */
export const SOURCES: readonly string[] = [
  'ctx',
  'ctx.config',
  'ctx.run',
  'ctx.signal',
  'ctx.kv',
  'ctx.kv.get',
  'ctx.http',
  'ctx.log',
  'ctx.log.info',
  'ctx.responses',
  'ctx.secret',
  'ctx.secret("x")',
  'ctx.hmac',
  'ctx.enqueue',
  'ctx.emit',
  'ctx.tally',
  'ctx.sign',
  'event',
  'event.data',
  'arguments',
  'this',
  'globalThis',
  'self',
  'send',
  'ctx.kv.get("a")',
  'await ctx.kv.get("a")',
  'ctx.http({ url: "https://a.test" })',
  'await ctx.http({ url: "https://a.test" })',
  '(await ctx.http({ url: "https://a.test" })).json',
  'ctx.hmac({ key: ctx.secret("x"), data: "" })',
  'ctx.tallies()',
  'await fetch("https://a.test")',
  '(await fetch("https://a.test")).body',
  '(await fetch("https://a.test")).headers.entries()',
  'new Request("https://a.test")',
  'new Headers()',
  'new URL("https://a.test")',
  'new URLSearchParams("a=b").entries()',
  'new AbortController().signal',
  'AbortSignal.timeout(1)',
  'new CustomEvent("x")',
  'new Blob(["x"])',
  'new FormData()',
  'crypto',
  'crypto.subtle',
  'crypto.subtle.digest("SHA-256", new Uint8Array(1))',
  'crypto.getRandomValues(new Uint8Array(1))',
  'await crypto.subtle.importKey("raw", ctx.secret("s"), { name: "HMAC", hash: "SHA-256" }, false, ["sign"])',
  'console',
  'console.log',
  'performance',
  'navigator',
  'setTimeout',
  'setTimeout(() => 0, 1)',
  'queueMicrotask',
  'structuredClone({})',
  'new Uint8Array(1).buffer',
  'new DataView(new ArrayBuffer(1))',
  '[][Symbol.iterator]()',
  '(function* () {})()',
  '(async function* () {})()',
  'new Map().entries()',
  'new WeakRef({})',
  'Symbol.for("x")',
  '1n',
  '/x/',
  'new Date()',
  'Intl',
  'new Intl.NumberFormat()',
  'Promise.withResolvers()',
  'async () => 0',
  'class { static #p = 1 }',
  'new Proxy({}, {})',
  'new Proxy(function () {}, {})',
  'Reflect',
  'JSON',
  'Math',
  ...[
    'ctx.secret(1)',
    'new URL("nonsense")',
    'atob("%")',
    'crypto.getRandomValues(new Uint8Array(70000))',
    'structuredClone(() => 0)',
    'ctx.kv.set("", 1)',
    'ctx.enqueue("a", 1n)',
    'null.x',
    'undefinedName',
    '(function f() { f() })()',
    'new ArrayBuffer(-1)',
    '"x".repeat(-1)',
    'JSON.parse("{")',
    'decodeURIComponent("%")',
    'new Function("(")',
    'fetch("nonsense")',
    'crypto.subtle.digest("MD5", new Uint8Array(1))',
    'ctx.http({ url: "https://refused.test" })',
    'ctx.responses.get("refused")',
    'import("node:fs")',
  ].map((code) => `await caught(async () => ${code})`),
  // Host objects, should one ever be passed to what the plugin hands over.
  ...['enqueue', 'emit', 'log.info', 'kv.set', 'http', 'hmac', 'tally'].flatMap((name) =>
    ['proxy', 'toJSON', 'getter', 'primitive'].map(
      (hook) => `await spied(ctx, ${JSON.stringify(name)}, ${JSON.stringify(hook)})`,
    ),
  ),
]

/** Functions from one thing to the next. */
export const PATHS: readonly string[] = [
  '(x) => x',
  '(x) => x.constructor',
  '(x) => x.constructor.constructor',
  '(x) => x.__proto__',
  '(x) => x.__proto__.constructor',
  '(x) => x.__proto__.__proto__.constructor.constructor',
  '(x) => x["con" + "structor"]["con".concat("structor")]',
  '(x) => Object.getPrototypeOf(x)',
  '(x) => Reflect.getPrototypeOf(x).constructor',
  '(x) => Reflect.get(x, "constructor", globalThis)',
  '(x) => Object.getOwnPropertyDescriptor(Object.getPrototypeOf(x), "constructor").value',
  '(x) => x.constructor[Symbol.species]',
  '(x) => x[Symbol.iterator]().constructor',
  '(x) => x[Symbol.asyncIterator]().constructor.constructor',
  '(x) => x[Symbol.toPrimitive]',
  '(x) => x.valueOf().constructor',
  '(x) => x.toString.constructor',
  '(x) => x.then.constructor',
  'async (x) => (await x).constructor',
  '(x) => x.then((y) => y, (y) => y)',
  '(x) => Function.prototype.bind.call(x).constructor',
  '(x) => x.bind.constructor',
  '(x) => x.caller',
  '(x) => x.arguments',
  '(x) => x.callee.caller',
  '(x) => Reflect.construct(Object, [], x)',
  '(x) => Reflect.construct(Promise, [(ok) => ok()], x)',
  '(x) => Reflect.apply(x, undefined, [])',
  '(x) => new x("return this")',
  '(x) => Object.values(Object.getOwnPropertyDescriptors(x)).map((d) => d.get ?? d.set ?? d.value).find((v) => typeof v === "function")',
  '(x) => Object.getOwnPropertySymbols(x).map((s) => x[s])[0]',
  '(x) => (async () => {}).constructor',
  '(x) => (function* () {}).constructor',
  '(x) => (async function* () {}).constructor',
  '(x) => { const o = {}; Error.captureStackTrace(o, x); return o.stack }',
  '(x) => { const old = Error.prepareStackTrace; let sites; Error.prepareStackTrace = (e, s) => { sites = s; return "" }; new Error().stack; Error.prepareStackTrace = old; return sites[0].getFunction() ?? sites[0].getThis() }',
  '(x) => { Error.stackTraceLimit = 1000; return x.stack }',
  '(x) => { let seen; try { x.call(new Proxy({}, { get: (t, k, r) => { seen = r; return undefined } })) } catch {} return seen }',
  '(x) => Array.from({ length: 1, constructor: x }).concat([x])',
  '(x) => [x].map.call({ length: 1, 0: x, constructor: { [Symbol.species]: x } }, (y) => y)',
  '(x) => JSON.parse("[1]", function () { return this })',
  '(x) => structuredClone(x)',
  '(x) => x.cause ?? x.errors ?? x.reason ?? x.detail',
  '(x) => x.__lookupGetter__("constructor") ?? x.__lookupGetter__("signal")',
]

/** Functions that answer what they got out, or nothing. */
export const GOALS: readonly string[] = [
  ...[
    'return typeof process === "undefined" ? "" : "ESCAPED process"',
    'return typeof require + typeof module + typeof Buffer === "undefinedundefinedundefined" ? "" : "ESCAPED modules"',
    'return "ESCAPED " + process.env.MANIFOLD_ATTACK_CANARY',
    'return "ESCAPED " + process.getBuiltinModule("node:fs").readFileSync(FILE, "utf8")',
    'return "ESCAPED " + process.binding("fs")',
    'return import("node:fs").then((m) => "ESCAPED " + typeof m.readFileSync)',
    'return import("node:" + "child_process").then((m) => "ESCAPED " + typeof m.spawn)',
    'const found = ["WebAssembly", "SharedArrayBuffer", "Atomics", "FinalizationRegistry", "gc", "Worker", "ivm", "host", "guest"].find((n) => typeof globalThis[n] !== "undefined"); return found === undefined ? "" : "ESCAPED " + found',
  ].map((body) => `(x) => run(x, ${JSON.stringify(body)})`),
  `(x) => { const found = x.process ?? x.mainModule ?? x.binding; return found === undefined ? '' : 'ESCAPED ' + Object.prototype.toString.call(found) }`,
  `(x) => { const found = ['applySync', 'applyIgnored', 'derefInto', 'copySync', 'getSync', 'setSync', 'createContextSync', 'compileScriptSync', 'transferIn'].find((m) => typeof x[m] === 'function'); return found === undefined ? '' : 'ESCAPED library ' + found }`,
  `(x) => { if (x === null || (typeof x !== 'object' && typeof x !== 'function')) return ''; let top = x; for (let p = x, n = 0; p !== null && n < 50; p = Object.getPrototypeOf(p), n++) top = p; return top === Object.prototype || Object.getPrototypeOf(x) === null ? '' : 'ESCAPED into another realm' }`,
  `(x) => { const text = [x.stack, x.message, x.fileName].map(String).join(); return /node:internal|node_modules|(isolate|child)[.]ts|file:[/][/]|[/]work[/]/.test(text) ? 'ESCAPED host text ' + text.slice(0, 200) : '' }`,
]

/** In scope of every payload. */
export const PRELUDE = `
const run = async (x, body) => {
  let got = await quiet(quiet((typeof x === 'function' ? x : Function)(body))())
  if (got !== null && typeof got === 'object' && typeof got.next === 'function') got = (await got.next()).value
  return typeof got === 'string' ? got : ''
}
const quiet = (x) => { try { Promise.resolve(x).then(() => 0, () => 0) } catch {} return x }
const caught = async (f) => { try { return await f() } catch (e) { return e } }
const spied = async (ctx, name, hook) => {
  const seen = []
  const note = (...all) => { for (const one of all) if (one !== null && ['object', 'function'].includes(typeof one)) seen.push(one) }
  const handler = Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((trap) => [trap, function (...args) { note(this, ...args, new Error(trap)); return Reflect[trap](...args) }]))
  const made = { proxy: () => new Proxy({ a: 1 }, handler), toJSON: () => ({ toJSON(...args) { note(this, ...args, new Error('j')); return {} } }),
    getter: () => ({ get a() { note(this, arguments, arguments.callee.caller); return 1 } }), primitive: () => ({ [Symbol.toPrimitive](...args) { note(this, args, new Error('p')); return 'x' }, toString() { note(this); return 'x' } }) }[hook]()
  const call = name.split('.').reduce((at, key) => at[key], ctx)
  await caught(async () => call(made, made, made))
  await caught(async () => call('x', made, made))
  await caught(async () => call({ url: made, headers: made, json: made, key: made, data: made }))
  return seen[0] === undefined ? {} : seen
}
const tries = async (source, paths, goals, tell) => {
  let items = [await caught(source)]
  for (const path of paths) { const next = []; for (const item of items) { try { const got = await quiet(path(item)); if (Array.isArray(got)) next.push(got, ...got.slice(0, 20)); else next.push(got) } catch {} } items = next }
  for (const item of items.flatMap((i) => (Array.isArray(i) ? [i, ...i.slice(0, 20)] : [i]))) for (const goal of goals) { try { const got = await quiet(goal(item)); if (String(got).includes('ESCAPED')) tell(String(got)) } catch {} }
}
`

const list = (parts: readonly string[]): string => `[${parts.join(',\n')}]`

/** One payload: every goal at the end of these paths from this source. */
export const payload = (source: string, chains: readonly (readonly string[])[], file: string): string =>
  `${PRELUDE}
const goals = ${list(GOALS).replaceAll('FILE', JSON.stringify(JSON.stringify(file)).slice(1, -1))}
const found = (globalThis.spoils = [])
for (const chain of [${chains.map(list).join()}]) await tries(async () => (${source}), chain, goals, (text) => found.push(text))`

/** Played afterwards: what was found is told even when the payload broke off half-way. */
export const COLLECT = 'ctx.log.info(JSON.stringify([...new Set(globalThis.spoils)]))'

/** A path of two to four steps. */
export const chainOf = (roll: Dice): string[] => Array.from({ length: 2 + roll.below(3) }, () => roll.pick(PATHS))
