/** Ways to use things up: a work that does not end, wrapped into a place where it is hard to stop or to see. */

/** Statements that would go on for ever, or take all there is. `ctx` is in scope. */
export const WORKS: Readonly<Record<string, string>> = {
  'a loop': 'for (;;) {}',
  backtracking: '/^(a+)+$/.test("a".repeat(64) + "b")',
  'a comparator': '[3, 1, 2].sort(() => { for (;;) {} })',
  'JSON text': 'let j = "[1]"; for (;;) j = JSON.stringify(JSON.parse(`[${j},${j}]`).slice(0, 1e4))',
  'a BigInt': 'let b = 3n; for (;;) b = (b * b) % (1n << 4096n)',
  generators: 'function* g() { for (;;) yield* [1, 2, 3] } for (const x of g());',
  structuredClone: 'const o = { a: [1, { b: 2 }] }; for (;;) structuredClone(o)',
  'a Proxy': 'const p = new Proxy({}, { has: () => { for (;;) {} } }); "x" in p',
  URLs: 'for (;;) new URL("http://a.test/" + "x".repeat(1000))',
  'random bytes': 'const u = new Uint8Array(65536); for (;;) crypto.getRandomValues(u)',
  arrays: 'const a = []; for (;;) a.push(new Array(10000).fill(0.5))',
  strings: 'const s = []; for (let n = 0; ; n++) s.push(`${n}${"é".repeat(10000)}`.split("").join("-"))',
  buffers: 'const b = []; for (;;) b.push(new Uint8Array(1e6).fill(1))',
  closures: 'let f = () => 0; for (;;) { const g = f; f = () => g() + 1 }',
  'keys of a Map': 'const m = new Map(); for (let n = 0; ; n++) m.set(`key ${n}`, { n })',
  promises: 'const p = []; for (;;) p.push(new Promise(() => {}))',
  'weak references': 'const w = []; for (;;) w.push(new WeakRef({ a: new Array(10) }))',
  'a Set of symbols': 'const s = new Set(); for (let n = 0; ; n++) s.add(Symbol(`s${n}`))',
}

/** The same, but given back to the event loop again and again. */
export const SLOW_WORKS: Readonly<Record<string, string>> = {
  microtasks: 'for (;;) await null',
  'a chain of promises': 'const again = () => Promise.resolve().then(again); await again()',
  queueMicrotask: 'await new Promise(() => { const again = () => queueMicrotask(again); again() })',
  'async iterators': 'async function* g() { for (;;) yield 1 } for await (const x of g());',
  'small slices':
    'for (;;) { const end = Date.now() + 20; while (Date.now() < end); await new Promise((ok) => setTimeout(ok, 1)) }',
  'slices between calls of the hub':
    'for (let n = 0; n < 40; n++) { const end = Date.now() + 30; while (Date.now() < end); await ctx.kv.get("x") }',
  digests: 'const u = new Uint8Array(1e6); for (;;) await crypto.subtle.digest("SHA-512", u)',
  keys: 'const u = new Uint8Array(64); for (;;) await crypto.subtle.importKey("raw", u, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]).then((k) => crypto.subtle.sign("HMAC", k, u))',
  'a thenable': 'await { then(ok) { for (;;) {} } }',
}

/** Where a synchronous work is hidden. `WORK` stands for it. */
export const PLACES: Readonly<Record<string, string>> = {
  'in the open': 'WORK',
  'after a microtask': 'await null; WORK',
  'after a call of the hub': 'await ctx.kv.get("x"); WORK',
  'in a timer': 'await new Promise((ok) => setTimeout(() => { WORK }, 1))',
  'in an interval': 'await new Promise((ok) => setInterval(() => { WORK }, 1))',
  'in a getter that the bridge reads': 'ctx.enqueue("act", { get a() { WORK; return 1 } })',
  'in toJSON': 'ctx.kv.set("k", { toJSON() { WORK; return 1 } })',
  'in the text of an error': 'throw Object.defineProperty(new Error("x"), "message", { get() { WORK; return "" } })',
  'in a trap of what is thrown': 'throw new Proxy({}, { get() { WORK; return "" } })',
  'in toString of a log line': 'ctx.log.info({ toJSON() { WORK } })',
  'in a listener of the signal':
    'const c = new AbortController(); c.signal.addEventListener("abort", () => { WORK }); c.abort(); await new Promise(() => {})',
  'in an unhandled rejection': 'void (async () => { await null; WORK })(); await new Promise(() => {})',
  'in Symbol.iterator of headers': 'new Headers({ [Symbol.iterator]() { WORK } })',
  'in toString of an argument': 'new URL({ toString() { WORK } })',
  'in what is answered': 'return { then(ok) { WORK } }',
}

/** What is counted: each goes over its count, as one honest statement. */
export const COUNTED: Readonly<Record<string, string>> = {
  enqueues: 'for (;;) ctx.enqueue("act", {})',
  'kv writes': 'for (let n = 0; ; n++) ctx.kv.set(`k${n}`, n)',
  tallies: 'for (let n = 0; ; n++) ctx.tally(`t${n}`)',
  'metric names': 'for (let n = 0; ; n++) ctx.metric(`m${n}`)',
  emits: 'for (;;) ctx.emit("e", {})',
  calls: 'for (;;) await ctx.kv.get("x")',
  'calls at once': 'await Promise.all(Array.from({ length: 500 }, () => ctx.kv.get("x")))',
  'http calls': 'await Promise.all(Array.from({ length: 21 }, () => ctx.http({ url: "https://a.test" })))',
  'the body of a request': 'await ctx.http({ url: "https://a.test", body: "x".repeat(2 ** 20 + 1) })',
  'the input of an action': 'ctx.enqueue("act", "x".repeat(300_000))',
  'all inputs together': 'for (let n = 0; n < 40; n++) ctx.enqueue("act", "x".repeat(10_000))',
  'a kv value': 'ctx.kv.set("k", "x".repeat(70_000))',
  'a kv key': 'ctx.kv.set("k".repeat(600), 1)',
  timers: 'for (;;) setTimeout(() => 0, 1e6)',
  signals: 'for (;;) AbortSignal.timeout(1e6)',
  depth: 'let d = 1; for (let n = 0; n < 100; n++) d = [d]; ctx.enqueue("act", d)',
  recursion: '(function f() { f() })()',
}
