/** Whose address counts, and what API keys look like: the small pure parts of the gate. */
import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { bucketOf, openAddressBook } from '../../core/http/address.ts'
import { openRateLimit } from '../../core/http/rate-limit.ts'
import { generateKey, hashKey, isKeyShaped } from '../../core/registry/api-keys.ts'

const from = (remoteAddress: string | undefined, headers: Record<string, string> = {}) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage
const forwarded = (list: string) => ({ 'x-forwarded-for': list })

describe("the client's address", () => {
  const book = openAddressBook(['10.0.0.0/8', '2001:db8:1::/48', '192.0.2.1'])
  test.each<[string, IncomingMessage, string]>([
    ["the socket's", from('203.0.113.9'), '203.0.113.9'],
    ['mapped IPv4 is IPv4', from('::ffff:203.0.113.9'), '203.0.113.9'],
    ['hexadecimal mapped IPv4 too', from('::ffff:cb00:7109'), '203.0.113.9'],
    ['a zone is not part of it', from('fe80::1%eth0'), 'fe80::1'],
    ['spelling is normal', from('2001:0DB8:0:0:0:0:0:1'), '2001:db8::1'],
    ['gone', from(undefined), 'unknown'],
    ["a stranger's header is not believed", from('203.0.113.9', forwarded('1.2.3.4')), '203.0.113.9'],
    ['a trusted proxy is', from('10.1.1.1', forwarded('1.2.3.4')), '1.2.3.4'],
    ['through mapped IPv4 as well', from('::ffff:10.1.1.1', forwarded('1.2.3.4')), '1.2.3.4'],
    ['only up to the first stranger', from('10.1.1.1', forwarded('6.6.6.6, 1.2.3.4, 10.2.2.2')), '1.2.3.4'],
    ['a single address is trusted', from('192.0.2.1', forwarded('1.2.3.4')), '1.2.3.4'],
    ['its neighbour is not', from('192.0.2.2', forwarded('1.2.3.4')), '192.0.2.2'],
    ['nonsense from a proxy is not believed', from('10.1.1.1', forwarded('6.6.6.6, evil')), '10.1.1.1'],
    ['ports are cut', from('10.1.1.1', forwarded('1.2.3.4:5678')), '1.2.3.4'],
    ['also of IPv6', from('10.1.1.1', forwarded('[2001:db8:9::1]:443')), '2001:db8:9::1'],
    ['all hops trusted', from('10.1.1.1', forwarded('10.3.3.3, 10.2.2.2')), '10.3.3.3'],
    ['octal is no address', from('10.1.1.1', forwarded('0177.0.0.1')), '10.1.1.1'],
  ])('%s', (_name, incoming, address) => expect(book.clientOf(incoming)).toBe(address))

  test('a mistake in the list of proxies is told at once', () => {
    expect(() => openAddressBook(['10.0.0.0/33'])).toThrow()
    expect(() => openAddressBook(['proxy.local'])).toThrow()
  })

  test('an IPv6 subscriber is one sender, whatever address of the /64 is used', () => {
    expect(bucketOf('2001:db8::1')).toBe(bucketOf('2001:db8::ffff:ffff:ffff:ffff'))
    expect(bucketOf('2001:db8::1')).not.toBe(bucketOf('2001:db8:0:1::1'))
    expect(bucketOf('203.0.113.9')).not.toBe(bucketOf('203.0.113.8'))
  })

  test('local is loopback or private, asked for by address, with nobody in between', () => {
    const plain = openAddressBook([])
    const asked = (address: string | undefined, headers: Record<string, string> = {}) =>
      from(address, { host: '127.0.0.1:8080', ...headers })
    const near = ['127.0.0.1', '::1', '192.168.1.1', 'fd00::1', '::ffff:127.0.0.1']
    expect(near.filter((address) => !plain.isLocal(asked(address)))).toEqual([])
    expect(['203.0.113.9', '2001:db8::1', undefined].some((address) => plain.isLocal(asked(address)))).toBe(false)

    const hosts = ['localhost', 'LOCALHOST:80', '127.0.0.1', '10.0.0.7:8080', '[::1]', '[fd00::1]:8080']
    expect(hosts.filter((host) => !plain.isLocal(asked('127.0.0.1', { host })))).toEqual([])
    const names = ['evil.example', 'evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example', '', '1.2.3']
    expect(names.filter((host) => plain.isLocal(asked('127.0.0.1', { host })))).toEqual([])
    expect(plain.isLocal(from('127.0.0.1'))).toBe(false)

    for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'via', 'x-real-ip']) {
      expect(plain.isLocal(asked('127.0.0.1', { [name]: '127.0.0.1' })), name).toBe(false)
      expect(book.isLocal(asked('10.1.1.1', { [name]: '10.1.1.2' })), name).toBe(false)
    }
  })
})

describe('rate limit', () => {
  test('a burst passes, then the rate; waiting as told is enough', () => {
    const limit = openRateLimit({ ratePerSecond: 10, burst: 3 })
    expect([0, 0, 0].map((nowMs) => limit('a', nowMs))).toEqual([0, 0, 0])
    expect(limit('a', 0)).toBe(100)
    expect(limit('b', 0)).toBe(0)
    expect(limit('a', 99)).toBeGreaterThan(0)
    expect(limit('a', 200)).toBe(0)
    // However long it was quiet, no more than the burst has gathered.
    expect([1, 2, 3, 4].map(() => limit('a', 1e9) > 0)).toEqual([false, false, false, true])
  })

  test('over any time no more pass than burst and rate allow', () => {
    const limit = openRateLimit({ ratePerSecond: 7, burst: 5 })
    let passed = 0
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 13) if (limit('a', nowMs) === 0) passed++
    expect(passed).toBeGreaterThanOrEqual(70)
    expect(passed).toBeLessThanOrEqual(75)
  })

  test('memory is bounded: the longest idle are forgotten', () => {
    const limit = openRateLimit({ ratePerSecond: 1, burst: 1, bucketsMax: 2 })
    limit('a', 0)
    limit('b', 0)
    limit('c', 0)
    expect(limit('c', 0)).toBeGreaterThan(0)
    expect(limit('a', 0)).toBe(0)
  })
})

describe('API keys', () => {
  test('have their shape and checksum at the ends of the random range too', () => {
    for (const random of [Buffer.alloc(32, 0), Buffer.alloc(32, 0xff)])
      expect(isKeyShaped(generateKey(random))).toBe(true)
    expect(new Set(Array.from({ length: 1_000 }, () => generateKey())).size).toBe(1_000)
  })

  test('a typo anywhere is noticed without the database', () => {
    const key = generateKey()
    for (let i = 4; i < key.length; i++) {
      if (key[i] === '_') continue
      const typo = key.slice(0, i) + (key[i] === 'a' ? 'b' : 'a') + key.slice(i + 1)
      expect(isKeyShaped(typo), typo).toBe(false)
    }
    expect(isKeyShaped(key.slice(0, -1))).toBe(false)
    expect(isKeyShaped('')).toBe(false)
  })

  test('are hashed with SHA-256', () => {
    expect(hashKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})
