/** The guest's web-standard globals against Node's own: the same script in both, the same answers. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { both } from './differential.ts'
import { type Bench, onEvent, openBench } from './harness.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
  await bench.plugin('keeper', onEvent(''))
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

const all = (h: string): string => `[[...${h}], [...${h}.keys()], [...${h}.values()]]`

const CASES: Readonly<Record<string, readonly string[]>> = {
  Headers: [
    `(() => { const h = new Headers({ B: '2', a: ' 1\\t' }); h.append('b', '3'); return ${all('h')} })()`,
    `(() => { const h = new Headers([['Set-Cookie', 'a=1'], ['set-cookie', 'b=2'], ['x', 'y']]); return [${all('h')}, h.get('set-cookie'), h.getSetCookie()] })()`,
    `(() => { const h = new Headers({ a: '1' }); h.set('A', '2'); h.append('A', '3'); h.set('a', '4'); h.set('z', ''); return [h.get('a'), h.get('z'), h.has('Z'), h.get('none'), h.has('none')] })()`,
    `(() => { const h = new Headers({ a: '1', b: '2', c: '3' }); h.delete('B'); const seen = []; h.forEach((v, k, o) => seen.push(k, v, o === h)); return seen })()`,
    `(() => { const h = new Headers({ b: '1' }); const it = h.entries(); h.append('a', '0'); return [it.next().value, it.next().value, it.next().done] })()`,
    `[...new Headers(new Headers({ q: 'w' }))]`,
    `[...new Headers({ n: 1, u: undefined, arr: ['x', 'y'], nil: null })]`,
    ...[
      `{ 'b ad': '1' }`,
      `{ '': '1' }`,
      `{ a: 'x\\ny' }`,
      `{ a: 'x\\0y' }`,
      `{ a: '\\u0100' }`,
      `{ a: '\\xff' }`,
      `[['a']]`,
      `[['a', 'b', 'c']]`,
      `null`,
      `5`,
      `'text'`,
    ].map((init) => `[...new Headers(${init})]`),
    `new Headers().get('b ad')`,
    `Object.prototype.toString.call(new Headers())`,
  ],
  Response: [
    `(async () => { const r = new Response('hi ü', { status: 201, statusText: 'Made', headers: { a: 'b' } }); const c = r.clone(); return [r.status, r.ok, r.statusText, r.type, r.url, r.redirected, [...r.headers], r.bodyUsed, await r.text(), r.bodyUsed, await c.bytes()] })()`,
    `(async () => { const r = Response.json({ a: [1] }, { status: 404 }); return [r.status, r.ok, r.headers.get('content-type'), await r.json()] })()`,
    `(async () => { const r = new Response('x'); await r.text(); return r.text() })()`,
    `(async () => { const r = new Response('x'); await r.text(); return r.clone() })()`,
    `(async () => { const r = new Response('{'); return r.json() })()`,
    `(async () => { const r = new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x41, 0xff])); return r.text() })()`,
    `(async () => { const r = new Response(new Uint16Array([1, 2]).subarray(1)); return [r.headers.get('content-type'), await r.arrayBuffer()] })()`,
    `(async () => { const r = new Response(new URLSearchParams({ a: 'b c' })); return [r.headers.get('content-type'), [...await r.formData()]] })()`,
    `(async () => { const r = new Response(null); return [r.body, await r.text(), r.bodyUsed] })()`,
    `(async () => { const r = new Response(''); return [r.body === null, await r.text(), r.bodyUsed] })()`,
    `(async () => { const b = await new Response('hello', { headers: { 'content-type': 'text/x' } }).blob(); return [b.type, b.size, await b.text()] })()`,
    `(async () => { const r = new Response({ toString: () => 'object' }); return r.text() })()`,
    `(async () => { const r = new Response('abc'); const out = []; for await (const chunk of r.body) out.push(...chunk); return [out, r.bodyUsed] })()`,
    `(async () => { const r = new Response('abc'); const again = new Response(r.body, { status: 202 }); return [r.bodyUsed, again.status, await again.text()] })()`,
    `(async () => { const r = new Response('abc'); const reader = r.body.getReader(); const first = await reader.read(); const second = await reader.read(); return [first.done, first.value, second.done, r.body.locked] })()`,
    `(async () => { const r = new Response('abc'); r.body.getReader(); return r.text() })()`,
    ...[
      `null, { status: 204 }`,
      `'x', { status: 204 }`,
      `'', { status: 304 }`,
      `'x', { status: 199 }`,
      `'x', { status: 600 }`,
      `'x', { statusText: 'a\\nb' }`,
    ].map((args) => `new Response(${args}).status`),
    `[Response.error().type, Response.error().status]`,
    `(() => { const r = Response.redirect('https://a.test/x y', 307); return [r.status, r.headers.get('location')] })()`,
    `Response.redirect('https://a.test/', 200)`,
    `Response.redirect('nonsense://[')`,
    `Response.json(undefined)`,
    `Response.json(Symbol('x'))`,
    `Response.error().headers.set('a', 'b')`,
  ],
  Request: [
    `(async () => { const r = new Request('https://a.test/p?q#h', { method: 'post', body: 'x', headers: { A: '1' } }); const c = new Request(r, { headers: { b: '2' } }); return [c.url, c.method, [...c.headers], c.redirect, c.mode, c.credentials, c.cache, c.referrer, c.keepalive, c.integrity, r.bodyUsed, await c.text()] })()`,
    `(async () => { const r = new Request('https://a.test', { method: 'PUT', body: '{"a":1}' }); const c = r.clone(); return [await r.json(), await c.json(), c.headers.get('content-type')] })()`,
    ...[
      `'nonsense'`,
      `'https://u:p@a.test/'`,
      `'https://a.test', { method: 'GET', body: 'x' }`,
      `'https://a.test', { method: 'TRACE' }`,
      `'https://a.test', { method: 'a b' }`,
      `'https://a.test', { redirect: 'x' }`,
      `'https://a.test', { signal: 5 }`,
    ].map((args) => `new Request(${args})`),
    `['get', 'patch', 'Delete', 'custom'].map((method) => new Request('https://a.test', { method }).method)`,
    `(() => { const c = new AbortController(); const r = new Request('https://a.test', { signal: c.signal }); c.abort('why'); return [r.signal !== c.signal, r.signal.aborted, r.signal.reason] })()`,
    `(async () => { const r = new Request('https://a.test', { method: 'POST', body: 'x' }); await r.text(); return new Request(r) })()`,
    `new Request(new URL('/a', 'https://b.test')).url`,
    `(() => { const f = new FormData(); f.set('a', 'b'); const r = new Request('https://a.test', { method: 'POST', body: f }); return r.headers.get('content-type').split(';')[0] })()`,
  ],
  abort: [
    `(() => { const c = new AbortController(); const seen = []; c.signal.onabort = (e) => seen.push('on', e.type, e.target === c.signal); c.signal.addEventListener('abort', () => seen.push('once'), { once: true }); c.abort(); c.abort(); return [seen, c.signal.aborted, c.signal.reason.name, c.signal.reason.code] })()`,
    `(() => { const s = AbortSignal.abort('r'); return [s.aborted, s.reason] })()`,
    `AbortSignal.abort().throwIfAborted()`,
    `(() => { const c = new AbortController(); const any = AbortSignal.any([c.signal, new AbortController().signal]); const nested = AbortSignal.any([any]); let told = 0; nested.addEventListener('abort', () => told++); c.abort(7); return [any.reason, nested.reason, told] })()`,
    `AbortSignal.any([AbortSignal.abort(1), AbortSignal.abort(2)]).reason`,
    `AbortSignal.any([]).aborted`,
    `[AbortSignal.abort().reason instanceof DOMException, await crypto.subtle.digest('MD5', new Uint8Array(1)).catch((e) => e instanceof DOMException)]`,
    `AbortSignal.any([1])`,
    `new AbortSignal()`,
    `(async () => { const s = AbortSignal.timeout(5); const before = s.aborted; await new Promise((done) => s.addEventListener('abort', done)); return [before, s.aborted, s.reason.name, s.reason.code] })()`,
    `AbortSignal.timeout(-1)`,
    `fetch('https://a.test', { signal: AbortSignal.abort('gone') }).catch((e) => 'rejected ' + e)`,
    `(() => { const t = new EventTarget(); const seen = []; const l = { handleEvent(e) { seen.push(e.type, this === l) } }; t.addEventListener('x', l); t.addEventListener('x', l); t.dispatchEvent(new Event('x')); t.removeEventListener('x', l); t.dispatchEvent(new CustomEvent('x', { detail: 3 })); return seen })()`,
    `(() => { const t = new EventTarget(); t.addEventListener('x', (e) => { e.preventDefault(); e.stopImmediatePropagation() }); t.addEventListener('x', () => { throw 1 }); return [t.dispatchEvent(new Event('x', { cancelable: true })), t.dispatchEvent(new Event('y')), new CustomEvent('z', { detail: 5 }).detail] })()`,
  ],
  'Blob and FormData': [
    `(async () => { const b = new Blob(['ü', new Uint8Array([65]), new Blob(['z'])], { type: 'Text/Plain' }); return [b.size, b.type, await b.text(), await b.slice(1, 3).bytes(), await b.slice(-1).text(), b.slice(0, 1, 'x/y').type] })()`,
    `new Blob('text')`,
    `(() => { const f = new File(['x'], 'a.txt', { type: 'text/plain', lastModified: 5 }); return [f.name, f.size, f.type, f.lastModified, f instanceof Blob] })()`,
    `(() => { const f = new FormData(); f.append('a', 1); f.append('a', '2'); f.append('b', new Blob(['x']), 'n.txt'); f.set('a', '3'); return [[...f.keys()], f.get('a'), f.getAll('a'), f.get('b').name, f.has('z'), f.get('z')] })()`,
    `(async () => { const f = new FormData(); f.append('a"b', 'l1\\nl2'); f.append('file', new File(['data'], 'q"r.txt', { type: 'text/x' })); const r = new Response(f); const edge = r.headers.get('content-type').split('boundary=')[1]; return (await r.text()).replaceAll(edge, 'EDGE').toLowerCase() })()`,
  ],
  structuredClone: [
    `structuredClone({ a: [1, , 3], d: new Date(7), r: /x/gi, m: new Map([[{ k: 1 }, new Set([1n])]]), n: NaN, z: -0, u: undefined })`,
    `structuredClone(new Float32Array([1.5, 2]).subarray(1))`,
    `(() => { const b = new ArrayBuffer(4); const c = structuredClone({ x: new Uint8Array(b), y: new Uint8Array(b) }); c.x[0] = 9; return [c.y[0], new Uint8Array(b)[0]] })()`,
    ...[`() => 1`, `Symbol('x')`, `{ f() {} }`, `new WeakMap()`, `Promise.resolve()`].map(
      (value) => `structuredClone(${value})`,
    ),
    `structuredClone(Object.assign(new TypeError('m', { cause: 5 }), { extra: 1 })).cause`,
    `structuredClone(new (class A { x = 1; #y = 2; get z() { return 3 } })())`,
    `structuredClone(Object.create({ inherited: 1 }, { hidden: { value: 1, enumerable: false }, seen: { value: 2, enumerable: true } }))`,
    `structuredClone()`,
    `structuredClone(new ArrayBuffer(2), { transfer: [] }).byteLength`,
  ],
  'text and base64': [
    ...['utf-8', 'UTF8', ' utf-8 '].map((label) => `new TextDecoder(${JSON.stringify(label)}).encoding`),
    `new TextDecoder('nonsense')`,
    `new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xe2, 0x82]))`,
    `(() => { const d = new TextDecoder(); const bytes = new TextEncoder().encode('a😀b'); return [...bytes].map((b) => d.decode(new Uint8Array([b]), { stream: true })).join('|') + d.decode() })()`,
    `new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x41])).length`,
    `(() => { const d = new TextDecoder('utf-8', { fatal: true }); try { d.decode(new Uint8Array([0x41, 0xff])) } catch {} return d.decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x42])) })()`,
    `(() => { const out = new Uint8Array(5); const r = new TextEncoder().encodeInto('a€😀', out); return [r.read, r.written, out] })()`,
    `new TextEncoder().encode('\\ud800a')`,
    `new TextEncoder().encode(undefined)`,
    ...['', 'a', 'YQ', 'YQ==', 'YQ=', 'Y=Q=', 'YWI=', ' Y\nQ ', '====', 'YWJj', 'a-_b', 'YR=='].map(
      (t) => `atob(${JSON.stringify(t)})`,
    ),
    `atob(null)`,
    `btoa('\\u0100')`,
    `btoa(undefined)`,
  ],
  URL: [
    `(() => { const u = new URL('https://a.test/'); u.search = 'a=1&a=2'; u.searchParams.set('b', 'ü &'); u.pathname = '/x y'; u.hostname = 'b.test'; u.protocol = 'http'; u.port = '99999'; u.username = 'me'; return u.href })()`,
    `[...new URLSearchParams('a=1&&b&=c&d=%ff%41+')]`,
    `new URLSearchParams({ a: "!'()~*-._ é" }).toString()`,
    `(() => { const p = new URLSearchParams('a=1&b=2&a=3'); p.delete('a', '3'); return [p.toString(), p.has('a', '1'), p.has('a', '9'), p.size] })()`,
    `new URL('//x', 'nonsense')`,
    `[URL.canParse('a', 'https://b.test'), URL.parse('nope'), URL.parse('https://b.test/c').pathname]`,
    `Object.prototype.toString.call(new URL('https://a.test'))`,
  ],
  crypto: [
    ...['SHA-1', 'sha-256', 'SHA-384', 'SHA-512'].map(
      (alg) => `crypto.subtle.digest(${JSON.stringify(alg)}, new TextEncoder().encode('abc ü'))`,
    ),
    `crypto.subtle.digest({ name: 'SHA-256' }, new Uint8Array(200000).fill(7).subarray(3))`,
    `crypto.subtle.digest('MD5', new Uint8Array(1))`,
    `crypto.subtle.digest('SHA-256', 'text')`,
    ...['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'].map(
      (hash) =>
        `(async () => { const key = await crypto.subtle.importKey('raw', new TextEncoder().encode('secret'), { name: 'HMAC', hash: '${hash}' }, true, ['sign', 'verify']); const data = new TextEncoder().encode('data'); const mac = await crypto.subtle.sign('HMAC', key, data); return [mac, await crypto.subtle.verify('HMAC', key, mac, data), await crypto.subtle.verify('HMAC', key, mac, new Uint8Array(4)), await crypto.subtle.verify('HMAC', key, new Uint8Array(3), data), key.type, key.extractable, key.usages, key.algorithm, await crypto.subtle.exportKey('raw', key), (await crypto.subtle.exportKey('jwk', key)).k] })()`,
    ),
    `(async () => { const key = await crypto.subtle.importKey('jwk', { kty: 'oct', k: 'c2VjcmV0' }, { name: 'HMAC', hash: { name: 'SHA-256' } }, false, ['sign']); return [await crypto.subtle.sign('hmac', key, new Uint8Array(3)), await crypto.subtle.verify('HMAC', key, new Uint8Array(1), new Uint8Array(1)).catch((e) => e), await crypto.subtle.exportKey('raw', key).catch((e) => e)] })()`,
    `crypto.subtle.importKey('raw', new Uint8Array(0), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])`,
    `crypto.subtle.importKey('raw', new Uint8Array(1), { name: 'HMAC', hash: 'SHA-256' }, false, [])`,
    `crypto.subtle.importKey('raw', new Uint8Array(1), { name: 'HMAC', hash: 'SHA-256' }, false, ['encrypt'])`,
    `crypto.subtle.importKey('raw', new Uint8Array(1), { name: 'HMAC', hash: 'MD5' }, false, ['sign'])`,
    `crypto.subtle.importKey('pkcs8', new Uint8Array(9), { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign'])`,
    `(async () => { const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-512' }, true, ['sign']); return [(await crypto.subtle.exportKey('raw', key)).byteLength, key.algorithm] })()`,
    `new CryptoKey()`,
    `crypto.getRandomValues(new Float32Array(1))`,
    `crypto.getRandomValues(new Uint8Array(65537))`,
  ],
  'timers and time': [
    `[typeof performance.now(), performance.now() >= 0, performance.timeOrigin > 1e12]`,
    `queueMicrotask(5)`,
    `setTimeout('text')`,
    `[typeof console.log, typeof console.error, typeof console.assert]`,
  ],
}

test.each(Object.keys(CASES))('%s: the same as in Node', async (name) => {
  const cases = CASES[name] as readonly string[]
  const { guest, node } = await both(bench, cases)
  const told = (answers: readonly unknown[]): unknown[] =>
    cases.map((script, index) => ({ script, answer: answers[index] }))
  expect(told(guest)).toEqual(told(node))
})

test('RSA keys of the plugin sign and verify as in Node, in all three formats', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const der = {
    pkcs8: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    spki: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  }
  const jwk = { private: privateKey.export({ format: 'jwk' }), public: publicKey.export({ format: 'jwk' }) }
  const bytes = (text: string): string => `Uint8Array.from(atob('${text}'), (c) => c.charCodeAt(0))`
  const script = (hash: string): string => `(async () => {
    const alg = { name: 'RSASSA-PKCS1-v1_5', hash: '${hash}' }; const data = new TextEncoder().encode('data ü')
    const signers = [await crypto.subtle.importKey('pkcs8', ${bytes(der.pkcs8)}, alg, true, ['sign']), await crypto.subtle.importKey('jwk', ${JSON.stringify(jwk.private)}, alg, false, ['sign'])]
    const verifiers = [await crypto.subtle.importKey('spki', ${bytes(der.spki)}, alg, true, ['verify']), await crypto.subtle.importKey('jwk', ${JSON.stringify(jwk.public)}, alg, true, ['verify'])]
    const out = []
    for (const signer of signers) {
      const signature = await crypto.subtle.sign(alg.name, signer, data)
      out.push(signature)
      for (const verifier of verifiers) out.push(await crypto.subtle.verify(alg.name, verifier, signature, data), await crypto.subtle.verify(alg.name, verifier, signature, new Uint8Array(3)))
    }
    const tried = (p) => p.catch((e) => e)
    return [out, signers[0].algorithm, signers[0].type, verifiers[0].type, verifiers[1].algorithm.modulusLength, await crypto.subtle.exportKey('spki', verifiers[0]), await crypto.subtle.exportKey('pkcs8', signers[0]), (await crypto.subtle.exportKey('jwk', verifiers[1])).n,
      await tried(crypto.subtle.exportKey('jwk', signers[1])), await tried(crypto.subtle.sign(alg.name, verifiers[0], data)), await tried(crypto.subtle.sign('HMAC', signers[0], data)), await tried(crypto.subtle.importKey('spki', ${bytes(der.spki)}, alg, true, ['sign'])), await tried(crypto.subtle.importKey('pkcs8', ${bytes(der.pkcs8)}, alg, true, []))]
  })()`
  const { guest, node } = await both(bench, ['SHA-256', 'SHA-512'].map(script))
  expect(guest).toEqual(node)
})
