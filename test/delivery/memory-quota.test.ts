/** What an installation may keep: refused at the limit, counted as seldom as possible. */
import { beforeEach, describe, expect, test } from 'vitest'
import { createMemoryQuota } from '../../core/delivery/memory-quota.ts'
import type { Kept, MemoryQuota } from '../../core/delivery/memory-quota.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Installation } from '../../core/registry/installation.ts'

const A = { workspace: 'default', id: 'a', key: 'default/a', plugin: { manifest: { id: 'p' } } } as Installation

const counting = (...names: string[]): Kept => ({ kv: [], tally: names.map((name) => ({ name, by: 1 })) })
const keeping = (...keys: string[]): Kept => ({ kv: keys.map((key) => ({ key, value: 1 })), tally: [] })

/** What is in the store. */
let stored: Set<string>
let keys = 0
let asked: string[] = []
let quota: MemoryQuota

beforeEach(() => {
  stored = new Set()
  keys = 0
  asked = []
  const store = {
    kvCount: async () => {
      asked.push('keys')
      return keys
    },
    talliesHeld: async ({ names }: { names: readonly string[] }) => {
      asked.push('names')
      return { count: stored.size, found: names.filter((name) => stored.has(name)) }
    },
  }
  quota = createMemoryQuota(store, { ...LIMITS, pluginKvKeysMax: 5, pluginTalliesMax: 5 })
})

/** As whoever commits does it. */
async function keep(wanted: Kept): Promise<string> {
  await quota.ready(A, [wanted])
  try {
    quota.admit(A, wanted)
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`
  }
  for (const { name } of wanted.tally) stored.add(name)
  keys += wanted.kv.length
  return 'kept'
}

describe('counters', () => {
  test('new names are refused over the limit, those that are there still add', async () => {
    expect(await keep(counting('a', 'b', 'c', 'd', 'e'))).toBe('kept')
    expect(await keep(counting('f'))).toMatch(/^capability_limit: .*"p" keeps too many counters: 5 names/)
    expect(await keep(counting('e', 'f'))).toMatch(/^capability_limit/)
    expect(await keep(counting('a', 'e', 'e'))).toBe('kept')
    expect(stored.size).toBe(5)
  })

  test('names from before this process began are known when it counts', async () => {
    stored = new Set(['a', 'b', 'c', 'd', 'e'])
    expect(await keep(counting('a', 'c'))).toBe('kept')
    expect(await keep(counting('d'))).toBe('kept')
    expect(await keep(counting('z'))).toMatch('capability_limit')
    quota.forget()
    expect(await keep(counting('b'))).toBe('kept')
  })

  test('the same few are counted once, however often they are added to', async () => {
    for (let n = 0; n < 100; n++) expect(await keep(counting('a', 'b'))).toBe('kept')
    expect(quota.ready(A, [counting('a')])).toBeUndefined()
    expect(asked).toEqual(['names'])
    expect(quota.ready(A, [{ kv: [], tally: [] }])).toBeUndefined()
  })

  test('those of a whole batch are counted together', async () => {
    const batch = [counting('a', 'b'), counting('b', 'c'), counting('c', 'd', 'e', 'f')]
    await quota.ready(A, batch)
    expect(asked).toEqual(['names'])
    quota.admit(A, batch[0] as Kept)
    quota.admit(A, batch[1] as Kept)
    expect(() => quota.admit(A, batch[2] as Kept)).toThrow('too many counters')
    quota.admit(A, counting('d', 'e'))
  })
})

test('what is refused for its counters keeps no key, and the other way round', async () => {
  await keep(counting('a', 'b', 'c', 'd', 'e'))
  expect(await keep({ ...counting('f'), kv: keeping('1', '2', '3').kv })).toMatch('too many counters')
  expect(await keep(keeping('1', '2', '3', '4', '5'))).toBe('kept')
  expect(await keep({ ...counting('a'), kv: keeping('6').kv })).toMatch('too many kv keys')
})
