/** The guest's web-standard globals against Node's own, on inputs that are made up: every name with every value. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { both, inGuest } from './differential.ts'
import { type Bench, eventRun, onEvent, openBench, untilRun } from './harness.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
  await bench.plugin('keeper', onEvent(''))
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

const PART = 80

/** Each script with what it answers there and here; equal everywhere. */
async function same(scripts: readonly string[]): Promise<void> {
  for (let from = 0; from < scripts.length; from += PART) {
    const part = scripts.slice(from, from + PART)
    const { guest, node } = await both(bench, part)
    const told = (answers: readonly unknown[]) => part.map((script, index) => ({ script, answer: answers[index] }))
    expect(told(guest)).toEqual(told(node))
  }
}

const run = (body: string): string => `(async () => { ${body} })()`
const text = JSON.stringify
const each = <A, B>(first: readonly A[], second: readonly B[], make: (a: A, b: B) => string): string[] =>
  first.flatMap((a) => second.map((b) => make(a, b)))

/** Numbers below `count` out of a seed: the same bytes every time. */
function dice(seed: number): (count: number) => number {
  let state = seed
  return (count) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * count)
  }
}

test('URLs against bases, and every part set to everything', async () => {
  const urls = [
    'https://ü.test:443/a/../ä?ö#ü',
    'HTTP://u:p%20@A.test',
    'http://0x7f.1/',
    'http://[::1]:80/',
    '//h',
    '?q',
    '#h',
    '',
  ]
  const odd = [
    'https://a .test',
    'https://a.test:99999',
    'file:///C|/x',
    'mailto:a@b',
    'x:y/../z',
    'https://a.test/\t\ud800\\b',
  ]
  const bases = ['undefined', "'https://b.test/x/y?z#w'", "'file:///d/e'", "'mailto:q@r.s'"]
  await same(
    each([...urls, ...odd], bases, (url, base) =>
      run(`try { const u = new URL(${text(url)}, ${base}); return [u.href, u.origin, u.host, u.pathname, [...u.searchParams]] }
        catch (e) { return [e.name, e.code, e.input, e.base, URL.canParse(${text(url)}, ${base})] }`),
    ),
  )
  const parts = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']
  const values = ['', 'x', 'https:', 'a b', '8080', '?a=1', '#f', '/p/../q', 'b.test:81', 'ü', '%zz', '\ud800', '[::1]']
  await same(
    each(parts, values, (part, value) =>
      run(
        `const u = new URL('https://u:p@a.test:444/p?q=1#h'); const p = u.searchParams; u.${part} = ${text(value)}; return [u.href, [...p], p === u.searchParams]`,
      ),
    ),
  )
})

test('headers: every name with every value, and who may change them', async () => {
  const names = ['a', 'A-B', 'x y', '', 'ü', 'set-cookie', '__proto__', 'cookie', 'a\\n']
  const values = [
    `' 1\\t'`,
    `'a\\nb'`,
    `'\\x00'`,
    `'\\x7f'`,
    `'\\xff'`,
    `'\\u0100'`,
    `''`,
    '1',
    'null',
    'undefined',
    '[1, 2]',
    `Symbol('x')`,
  ]
  await same([
    ...each(names, values, (name, value) =>
      run(
        `const h = new Headers(); h.append('${name}', ${value}); h.append('${name}', '2'); return [[...h], h.get('${name}')]`,
      ),
    ),
    `Response.error().clone().headers.append('a', 'b')`,
    `Response.redirect('https://a.test').clone().headers.set('a', 'b')`,
    `(() => { const r = new Response('x', { headers: { a: 'b' } }); r.clone().headers.append('c', 'd'); return [...r.headers] })()`,
    `Object.keys(Headers.prototype).sort()`,
    `Headers.prototype.entries === Headers.prototype[Symbol.iterator]`,
    ...['append', 'set', 'get', 'has', 'delete'].map((method) => `new Headers()['${method}']()`),
    `new Headers().append('a')`,
    `[Headers.prototype.append.name, Headers.prototype.append.length, URLSearchParams.prototype.has.length]`,
    ...['append', 'set', 'get', 'has', 'delete'].map((method) => `new URLSearchParams()['${method}']()`),
    ...['append', 'set', 'get', 'has', 'delete'].map((method) => `new FormData()['${method}']()`),
  ])
})

test('bodies: everything a body may be, read in every way, and twice', async () => {
  const bodies = [
    `'ü'`,
    `''`,
    `'\\ufeff{"a":1}'`,
    `new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d])`,
    `new Uint8Array([0xff])`,
    `new ArrayBuffer(2)`,
  ]
  const more = [
    `new DataView(new ArrayBuffer(3), 1)`,
    `new Blob(['\\ud800'], { type: 'x/Y' })`,
    `new URLSearchParams('a=ü')`,
    '5',
    '[1, 2]',
    `'\\ud800'`,
    'null',
    `Symbol('x')`,
  ]
  const readers = ['text', 'json', 'bytes', 'arrayBuffer']
  await same([
    ...each([...bodies, ...more], readers, (body, reader) =>
      run(`const x = new Response(${body}); const had = x.body === null; let v; try { v = await x.${reader}() } catch (e) { v = e.name }
        return [x.headers.get('content-type'), had, v, x.bodyUsed, x.body?.locked, await x.${reader}().catch((e) => e.name)]`),
    ),
    run(`const x = new Response('abc'); for await (const c of x.body) break; return [x.bodyUsed, x.body.locked]`),
    run(
      `const x = new Response('abc'); const r = x.body.getReader(); await r.cancel(); return [x.bodyUsed, (await r.read()).done]`,
    ),
    run(
      `const x = new Response('abc'); const c = x.clone(); return [await x.text(), await c.clone().text(), await c.text()]`,
    ),
    `new Request('https://a.test', null).method`,
    run(`const b = new Blob(['a'], null); return b.size`),
    `(() => { const f = new FormData(); f.append('a', new File(['x'], 'n', { lastModified: 3 }), 'other'); return [f.get('a').name, f.get('a').lastModified] })()`,
    `new File([], 'x', { lastModified: NaN }).lastModified`,
  ])
})

test('bytes as text: broken UTF-8 in one piece and in two, base64 of any kind', async () => {
  const roll = dice(7)
  const pool = [
    0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x9f, 0xa0, 0x8f, 0x90,
    0xbb,
  ]
  const decoded = Array.from({ length: 150 }, () => {
    const bytes = [
      ...(roll(4) === 0 ? [0xef, 0xbb, 0xbf] : []),
      ...Array.from({ length: roll(12) }, () => pool[roll(pool.length)]),
    ]
    const cut = roll(bytes.length + 1)
    return `(() => { const b = new Uint8Array(${text(bytes)}); const out = []; for (const fatal of [0, 1]) for (const ignoreBOM of [0, 1]) {
      const d = new TextDecoder('utf-8', { fatal, ignoreBOM }); const t = (f) => { try { return escape(f()) } catch (e) { return e.name } }
      out.push(t(() => d.decode(b)), t(() => d.decode(b.subarray(0, ${cut}), { stream: 1 })), t(() => d.decode(b.subarray(${cut}), null))) } return out })()`
  })
  const letters = 'AZaz09+/=-_ \n\u0000ü'
  const base64 = Array.from({ length: 100 }, () => {
    const input = Array.from({ length: roll(9) }, () => letters[roll(roll(3) === 0 ? letters.length : 9)]).join('')
    return `(() => { try { return escape(atob(${text(input)})) } catch (e) { return [e.name, e.code, Object.keys(e)] } })()`
  })
  const labels = ['UTF8', 'unicode11utf8', 'x-unicode20utf8', '\tutf-8\n', '\u00a0utf-8', '\u000butf-8', 'utf-8\0', '']
  await same([
    ...decoded,
    ...base64,
    ...labels.map((label) => `new TextDecoder(${text(label)}).encoding`),
    `(() => { const d = new TextDecoder('utf8', null); d.fatal = true; return [d.fatal, Object.keys(d), Object.keys(TextDecoder.prototype).sort()] })()`,
    ...['[1]', 'new ArrayBuffer(1)', 'new Uint16Array(1)', ''].map((to) => `new TextEncoder().encodeInto('x', ${to})`),
    'atob()',
    'btoa()',
    'atob(Symbol())',
    'btoa(Symbol())',
    'new TextEncoder().encode(Symbol())',
    'String(new URL(Symbol()))',
  ])
})

test('structuredClone of every kind of thing', async () => {
  const kinds = [
    'Object(1n)',
    'Object(Symbol())',
    'new Date(NaN)',
    '/a/gi',
    '[1, , 3]',
    'Object.assign([1, 2], { x: 1 })',
    'new Map([[{}, new Set([1n])]])',
  ]
  const own = [
    'new Headers({ a: 1 })',
    "new Response('x')",
    "new URL('https://a.test')",
    "new URLSearchParams('a=b')",
    'new FormData()',
    'new WeakRef({})',
  ]
  const odd = [
    'JSON.parse(\'{"__proto__":{"x":1}}\')',
    '{ __proto__: null, a: 1 }',
    '{ get a() { delete this.b; return 1 }, b: 2 }',
    'class {}',
    'Object.freeze([1])',
  ]
  const arrays = ['Int8', 'Uint8Clamped', 'Float16', 'Float64', 'BigUint64'].map(
    (name) => `new ${name}Array(new ArrayBuffer(32), 8, 1)`,
  )
  const errors = [
    "new TypeError('t', { cause: { a: 1 } })",
    "Object.assign(new Error('m'), { name: 'Own' })",
    'new (class Mine extends Uint8Array {})([1])',
  ]
  await same([
    ...[...kinds, ...own, ...odd, ...arrays, ...errors].map(
      (value) =>
        `(() => { const c = structuredClone(${value}); return [Object.prototype.toString.call(c), c?.constructor?.name, c, Object.keys(Object(c)), String(c?.message), c?.cause] })()`,
    ),
    `(() => { const c = structuredClone(new DOMException('m', 'AbortError')); return [c instanceof DOMException, c.name, c.message, c.code] })()`,
  ])
})

test('signals and events', async () => {
  await same([
    run(
      `const c = new AbortController(); const log = []; const b = AbortSignal.any([AbortSignal.any([c.signal])]); for (const [n, s] of [['b', b], ['c', c.signal]]) s.addEventListener('abort', () => log.push(n, c.signal.aborted, b.aborted)); c.abort('r'); return [log, b.reason]`,
    ),
    run(
      `const c = new AbortController(); const s = AbortSignal.any([AbortSignal.any([c.signal])]); let n = 0; const f = () => n++; s.addEventListener('abort', f); s.removeEventListener('abort', f); s.addEventListener('abort', () => n += 10, { once: true }); c.abort(); c.abort(); return [n, s.reason === c.signal.reason]`,
    ),
    run(
      `const t = AbortSignal.timeout(5); const s = AbortSignal.any([t]); await new Promise((done) => (s.onabort = done)); return [s.reason === t.reason, s.reason.name]`,
    ),
    run(
      `const c = new AbortController(); const log = []; c.signal.onabort = () => log.push(1); c.signal.addEventListener('abort', () => log.push(2)); c.signal.onabort = () => log.push(3); c.abort(); return log`,
    ),
    ...['{}', 'null', '5', '[1]', 'new Set([AbortSignal.abort(1)])'].map((list) => `AbortSignal.any(${list}).reason`),
    run(
      `const t = new EventTarget(); let n = 0; const f = () => n++; t.addEventListener('x', f, true); t.addEventListener('x', f); t.addEventListener('x', f, { capture: true }); t.dispatchEvent(new Event('x')); t.removeEventListener('x', f); t.dispatchEvent(new Event('x')); return n`,
    ),
    run(
      `const t = new EventTarget(); let r; t.addEventListener('x', (e) => { e.preventDefault(); r = [e.defaultPrevented, e.currentTarget === t] }, { passive: true }); const e = new Event('x', { cancelable: true }); return [t.dispatchEvent(e), r, e.currentTarget, e.target === t]`,
    ),
    run(
      `const e = new Event('x'); e.stopImmediatePropagation(); let n = 0; const t = new EventTarget(); t.addEventListener('x', () => n++); t.dispatchEvent(e); return n`,
    ),
    run(
      `const t = new EventTarget(); const e = new Event('x'); let refused = 0; t.addEventListener('x', () => { try { t.dispatchEvent(e) } catch { refused++ } }); t.dispatchEvent(e); return refused`,
    ),
    `new Event('x', null).type`,
    'new CustomEvent()',
    `new CustomEvent('x', null).detail`,
    `new EventTarget().addEventListener('x')`,
    `new EventTarget().addEventListener('x', () => 1, { signal: {} })`,
    ...['IndexSizeError', 'NotFoundError', 'TimeoutError', 'toString', 'Own'].map(
      (name) =>
        `(() => { const e = new DOMException('m', '${name}'); e.name = 'other'; return [e.name, e.code, String(e), Object.keys(e), Object.prototype.toString.call(e)] })()`,
    ),
    `(() => { const e = new DOMException('m', { name: 'AbortError', cause: 5 }); return [e.name, e.cause, e.code] })()`,
  ])
})

test('timers: what one leaves to microtasks comes before the next', async () => {
  await same([
    run(
      `const log = []; for (const n of [1, 2, 3]) setTimeout(() => { log.push(n); Promise.resolve().then(() => log.push('then ' + n)).then(() => log.push('last ' + n)) }, 1); await new Promise((done) => setTimeout(done, 60)); return log`,
    ),
    run(
      `const log = []; const t = {}; setTimeout(() => Promise.resolve().then(() => clearTimeout(t.second)), 1); t.second = setTimeout(() => log.push('never'), 1); await new Promise((done) => setTimeout(done, 60)); return log`,
    ),
    run(
      `let n = 0; const i = setInterval(() => { if (++n === 3) clearInterval(i) }, 1); await new Promise((done) => setTimeout(done, 60)); return n`,
    ),
    '[clearTimeout.name, clearInterval.name, clearTimeout(Symbol()), clearInterval({})]',
  ])
})

test('keys: what a JWK says of itself is kept to', async () => {
  const jwks = [
    '',
    `, alg: 'HS256'`,
    `, alg: 'HS512'`,
    `, use: 'sig'`,
    `, use: 'enc'`,
    `, key_ops: ['sign']`,
    `, key_ops: ['verify']`,
    ', ext: false',
    ', ext: true',
  ]
  const lengths = ['40', '39', '33', '32', '41', '0']
  const imported = (format: string, data: string, more = '', usages = `['sign']`) =>
    run(
      `const key = await crypto.subtle.importKey('${format}', ${data}, { name: 'HMAC', hash: 'SHA-256'${more} }, true, ${usages}); return [key.algorithm.length, key.usages]`,
    )
  await same([
    ...jwks.map((more) => imported('jwk', `{ kty: 'oct', k: 'AQIDBAU'${more} }`)),
    ...lengths.map((length) => imported('raw', 'new Uint8Array(5)', `, length: ${length}`)),
    imported('raw', 'new Uint8Array(5)', '', `['verify', 'sign', 'sign']`),
    `crypto.subtle.digest('SHA-256')`,
    `crypto.subtle.digest('SHA-256', undefined)`,
    run(
      `const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']); return crypto.subtle.sign('HMAC', key)`,
    ),
    ...each(['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'], [1, 63, 64, 65, 127, 128, 129, 200], (hash, bytes) =>
      run(`const key = await crypto.subtle.importKey('raw', Uint8Array.from({ length: ${bytes} }, (_, i) => i), { name: 'HMAC', hash: '${hash}' }, true, ['sign', 'verify']);
        const mac = await crypto.subtle.sign('HMAC', key, new Uint8Array(${bytes})); return [mac, await crypto.subtle.verify('HMAC', key, mac, new Uint8Array(${bytes})), await crypto.subtle.digest('${hash}', new Uint8Array(${bytes}))]`),
    ),
  ])
})

test('of two signals the first that turned gives the reason, asked or not', async () => {
  const script = run(
    `const [c, d] = [new AbortController(), new AbortController()]; const s = AbortSignal.any([c.signal, d.signal]); d.abort('d'); c.abort('c'); return s.reason`,
  )
  expect(await inGuest(bench, [script])).toEqual(['d'])
})

test('signals made of one that lives long are not held by it', async () => {
  const top = 'const ends = new AbortController()'
  const body = `for (let n = 0; n < 10_000; n++) { const s = AbortSignal.any([ends.signal]); const f = () => 1; s.addEventListener('abort', f); s.removeEventListener('abort', f) }`
  await bench.plugin('many-signals', onEvent(body, top), { limits: { heapMb: 16 } })
  for (let n = 0; n < 12; n++)
    expect((await untilRun(bench.sandbox, 'default/many-signals', () => eventRun())).error).toBeNull()
})

test('a header called __proto__ is sent like any other', async () => {
  let sent: unknown
  await inGuest(
    bench,
    [`(await fetch('https://a.test/', { headers: { ['__proto__']: '1' } })).status`],
    async (_, args) => {
      sent = args
      return { status: 200, headers: {}, body: '', truncated: false }
    },
  )
  expect(JSON.stringify(sent)).toContain('"__proto__":"1"')
})
