/** What native plugins put into the shared cache: bounded, and never seen by another installation or version. */
import { expect, test } from 'vitest'
import { noSharedCache } from '../../core/cache/none/cache.ts'
import type { SharedCache } from '../../core/cache/cache.ts'
import { LIMITS } from '../../core/limits.ts'
import { openPluginCache } from '../../core/native/plugin-cache.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { installation } from '../delivery/world.ts'

/** Remembers everything. */
function remembering(): SharedCache & { readonly ttls: number[] } {
  const texts = new Map<string, string>()
  const ttls: number[] = []
  return {
    ...noSharedCache,
    ttls,
    get: async (key) => texts.get(key),
    put: async (key, text, ttlMs) => {
      texts.set(key, text)
      ttls.push(ttlMs)
    },
  }
}

const analytics = (workspace: string, id: string, hash = 'one'): Installation => {
  const made = installation({ id, code: {} })
  const bundle = { ...made.plugin.bundle, hash }
  return { ...made, workspace, key: `${workspace}/${id}`, plugin: { ...made.plugin, bundle } }
}

test('an installation puts so much and no more while texts live, and none that is too long', async () => {
  const shared = remembering()
  let nowMs = 0
  const limits = { ...LIMITS, pluginCacheTextBytesMax: 10, pluginCacheBytesMax: 25, pluginCacheTtlMs: 1_000 }
  const cache = openPluginCache({ sharing: { plugins: shared }, clock: { monotonicMs: () => nowMs }, limits })
  const [one, other] = [analytics('default', 'one'), analytics('default', 'other')]
  const put = async (of: Installation, key: string, text: string): Promise<boolean> => {
    await cache.put(of, key, text)
    return (await cache.get(of, key)) === text
  }
  // Bytes, not letters.
  expect([await put(one, 'a', 'ä'.repeat(5)), await put(one, 'b', 'ä'.repeat(6))]).toEqual([true, false])
  expect([await put(one, 'c', 'x'.repeat(10)), await put(one, 'd', 'x'.repeat(6))]).toEqual([true, false])
  expect([await put(one, 'e', 'x'.repeat(5)), await put(other, 'd', 'x'.repeat(6))]).toEqual([true, true])
  nowMs = 999
  expect(await put(one, 'f', 'x')).toBe(false)
  nowMs = 1_000
  expect(await put(one, 'f', 'x')).toBe(true)
  expect(new Set(shared.ttls)).toEqual(new Set([1_000]))
})

test('what one installation, workspace or version has put no other is given', async () => {
  const cache = openPluginCache({
    sharing: { plugins: remembering() },
    clock: { monotonicMs: () => 0 },
    limits: LIMITS,
  })
  const own = analytics('default', 'analytics')
  await cache.put(own, 'key', 'text')
  expect(await cache.get(own, 'key')).toBe('text')
  for (const another of [
    analytics('other', 'analytics'),
    analytics('default', 'second'),
    analytics('default', 'analytics', 'two'),
  ])
    expect(await cache.get(another, 'key')).toBeNull()
})
