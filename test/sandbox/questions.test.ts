/** What the host answers a guest that asks anything at all: short, bounded answers, and never an error. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { answerQuestion } from '../../core/sandbox/questions.ts'

const ask = (question: unknown): unknown => {
  const answer = answerQuestion(JSON.stringify(question))
  return answer === '' ? undefined : JSON.parse(answer)
}
const base64 = (text: string): string => Buffer.from(text).toString('base64')

test('nonsense is not answered', () => {
  for (const question of [undefined, null, 5, {}, '', '{', 'null', '[]', '"x"', '{"op":5}', '{"op":"__proto__"}'])
    expect(answerQuestion(question)).toBe('')
  for (const question of [
    { op: 'url' },
    { op: 'url', input: 'nonsense' },
    { op: 'exec', input: 'https://a.test' },
    { op: 'key-none' },
    { op: 'key-digest', hash: 'md5', data: '' },
    { op: 'key-digest', hash: 'sha256' },
    { op: 'key-digest', hash: 'sha256', data: {} },
    { op: 'key-hmac', hash: 'sha256', data: '' },
    { op: 'key-rsa-read', format: 'pem', key: 'x' },
    { op: 'key-rsa-read', format: 'jwk', key: null },
    { op: 'key-rsa-sign', format: 'pkcs8', key: base64('junk'), hash: 'sha256', data: '' },
  ])
    expect(ask(question)).toBeUndefined()
})

test('answers are bounded, whatever is asked for', () => {
  expect(ask({ op: 'random', bytes: 1e9 })).toHaveLength(131_072)
  expect(ask({ op: 'random', bytes: -1 })).toBe('')
  expect(ask({ op: 'url', input: `https://a.test/${'x'.repeat(300_000)}` })).toBeUndefined()
  expect(ask({ op: 'key-digest', hash: 'sha256', data: 'A'.repeat(1_600_000) })).toBeUndefined()
  const large = Buffer.alloc(1_048_576, 7)
  expect(ask({ op: 'key-digest', hash: 'sha256', data: large.toString('base64') })).toBe(
    createHash('sha256').update(large).digest('base64'),
  )
})

test('keys that would keep the process busy, and keys of another kind, are not used', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 512 }).publicKey.export({ format: 'jwk' })
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 })
  const fit = publicKey.export({ format: 'jwk' })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  const long = { ...fit, n: Buffer.alloc(2_048, 0xff).toString('base64url') }
  const slow = { ...fit, e: Buffer.alloc(100, 0xff).toString('base64url') }
  const read = (key: unknown): unknown => ask({ op: 'key-rsa-read', format: 'jwk', key })
  expect([small, ec, long, slow].map(read)).toEqual([undefined, undefined, undefined, undefined])
  expect(read(fit)).toEqual({ type: 'public', modulusLength: 1_024, publicExponent: '010001' })
  const verify = { op: 'key-rsa-verify', format: 'jwk', hash: 'sha256', data: '', signature: base64('no') }
  expect([ask({ ...verify, key: fit }), ask({ ...verify, key: long })]).toEqual([false, undefined])
})
