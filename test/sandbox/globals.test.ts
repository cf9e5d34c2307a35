/** The tables of globals in core/sandbox/README.md against the real guest and against Node, both ways. */
import { readFileSync } from 'node:fs'
import { createContext, runInContext, runInThisContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inGuest } from './differential.ts'
import { type Bench, openBench } from './harness.ts'

const README = readFileSync(new URL('../../core/sandbox/README.md', import.meta.url), 'utf8')

/** Rows of the table under this first heading: the names in backticks of each cell. */
function rows(heading: string): string[][][] {
  const lines = README.slice(README.indexOf(`| ${heading} |`)).split('\n')
  const end = lines.findIndex((line) => !line.startsWith('|'))
  return lines
    .slice(2, end)
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string)))
}

const PRESENT = rows('global').map(([names, , without]) => ({ names: names ?? [], without: without ?? [] }))
const ABSENT = rows('absent').flatMap(([names]) => names ?? [])

/** One of each, where it has parts that can be compared. `console` and `navigator` say in prose what they have. */
const SAMPLES: Readonly<Record<string, string>> = {
  URL: `new URL('https://a.test')`,
  URLSearchParams: `new URLSearchParams()`,
  TextEncoder: `new TextEncoder()`,
  TextDecoder: `new TextDecoder()`,
  DOMException: `new DOMException()`,
  Event: `new Event('x')`,
  CustomEvent: `new CustomEvent('x')`,
  EventTarget: `new EventTarget()`,
  AbortController: `new AbortController()`,
  AbortSignal: `AbortSignal.abort()`,
  Headers: `new Headers()`,
  Request: `new Request('https://a.test')`,
  Response: `new Response()`,
  Blob: `new Blob([])`,
  File: `new File([], 'f')`,
  FormData: `new FormData()`,
  crypto: `crypto`,
  'crypto.subtle': `crypto.subtle`,
  CryptoKey: `await crypto.subtle.importKey('raw', new Uint8Array(1), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])`,
  performance: `performance`,
}

/** Names of all that the thing has, up to Object.prototype, and of its class's own parts. */
const members = (sample: string): string => `(async () => {
  const names = new Set()
  const thing = ${sample}
  for (let at = thing; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) for (const key of Reflect.ownKeys(at)) if (typeof key === 'string' && !/^_|^constructor$/.test(key)) names.add(key)
  if (!/^(?:Object|Crypto|Performance|SubtleCrypto)$/.test(thing.constructor.name)) for (const key of Object.getOwnPropertyNames(thing.constructor)) names.add(key)
  return [...names]
})()`

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

const bare = runInContext('Object.getOwnPropertyNames(globalThis)', createContext()) as string[]

test('every global of the guest is in the table, and nothing else', async () => {
  const names = `Object.getOwnPropertyNames(globalThis)`
  const [early, own, unmade] = (await inGuest(bench, [
    names,
    `fetch.length >= 0 ? ${names} : []`,
    `${names}.filter((name) => 'get' in Object.getOwnPropertyDescriptor(globalThis, name))`,
  ])) as [string[], string[], string[]]
  // Those that are made when one is first used were there before, and are values after.
  expect(early.toSorted()).toEqual(own.toSorted())
  expect(unmade).toEqual([])
  const added = own.filter((name) => !bare.includes(name) || name === 'console')
  const listed = PRESENT.flatMap(({ names }) => names).filter((name) => !name.includes('.'))
  expect(added.toSorted()).toEqual(listed.toSorted())
})

test('what Node has and the guest has not is in the second table, and is not there', async () => {
  const types = ABSENT.map((name) => `typeof globalThis['${name}']`).join()
  const [own, found] = (await inGuest(bench, [`Object.getOwnPropertyNames(globalThis)`, `[${types}]`])) as [
    string[],
    string[],
  ]
  expect(found).toEqual(ABSENT.map(() => 'undefined'))
  const node = runInThisContext('Object.getOwnPropertyNames(globalThis)') as string[]
  // Node adds these with flags only, or the test runner does.
  const isOdd = (name: string): boolean =>
    name.startsWith('__vitest') || /^(?:gc|Storage|localStorage|sessionStorage)$/.test(name)
  expect([...bare, ...node].filter((name) => !own.includes(name) && !ABSENT.includes(name) && !isOdd(name))).toEqual([])
})

test('what each lacks is what the table says', async () => {
  const names = Object.keys(SAMPLES)
  const guest = (await inGuest(
    bench,
    names.map((name) => members(SAMPLES[name] as string)),
  )) as string[][]
  const lacking: Record<string, string[]> = {}
  const listed: Record<string, string[]> = {}
  for (const [index, name] of names.entries()) {
    const node = (await (runInThisContext(members(SAMPLES[name] as string)) as Promise<string[]>)).filter(
      // Listeners of performance, told of in prose.
      (member) => name !== 'performance' || !/Listener$|^dispatchEvent$/.test(member),
    )
    const without = PRESENT.find((row) => row.names.includes(name))?.without ?? []
    const missing = node.filter((member) => !guest[index]?.includes(member))
    lacking[name] = [...new Set(missing.map((member) => (member.endsWith('_ERR') ? '*_ERR' : member)))].toSorted()
    // A row of two lists what either lacks.
    listed[name] = without.filter((member) => member.startsWith('*') || node.includes(member)).toSorted()
  }
  expect(lacking).toEqual(listed)
})

test('what cannot be says so', async () => {
  const told = await inGuest(
    bench,
    [
      `crypto.subtle.encrypt('AES-GCM', null, new Uint8Array(1))`,
      `crypto.subtle.generateKey({ name: 'RSASSA-PKCS1-v1_5' }, false, ['sign'])`,
      `crypto.subtle.digest('SHA3-256', new Uint8Array(1))`,
      `crypto.subtle.digest('SHA-256', new Uint8Array(1_200_000))`,
      `structuredClone(1, { transfer: [new ArrayBuffer(1)] })`,
      `new TextDecoder('latin1')`,
      `new Response('x', { headers: { 'content-type': 'multipart/form-data; boundary=b' } }).formData()`,
    ].map((script) => `(async () => ${script})().then(() => 'nothing', (e) => e.name + ': ' + e.message)`),
  )
  expect(told).toEqual([
    'NotSupportedError: crypto.subtle.encrypt does not exist in the sandbox',
    'NotSupportedError: The sandbox generates HMAC keys only; other keys are secrets',
    'NotSupportedError: "SHA3-256" is not in the sandbox; it has SHA-1, SHA-256, SHA-384, SHA-512',
    'OperationError: The host did not do it: about 1 MB of data a call, RSA keys of 1024 to 4096 bits',
    'DataCloneError: Nothing can be transferred in the sandbox: this cannot be cloned',
    'RangeError: The encoding "latin1" is not supported; only utf-8 is',
    expect.stringMatching(/^TypeError: The sandbox reads forms as application\/x-www-form-urlencoded only/),
  ])
})
