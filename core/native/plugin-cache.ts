/** What native plugins share with those in other processes of the hub: kept by installation and by version of the plugin. */
import { createHash } from 'node:crypto'
import type { SharedCache } from '../cache/cache.ts'
import type { Clock } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { Installation } from '../registry/installation.ts'

export interface PluginCacheDeps {
  readonly sharing: { readonly plugins: SharedCache }
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly limits: Pick<Limits, 'pluginCacheTtlMs' | 'pluginCacheTextBytesMax' | 'pluginCacheBytesMax'>
}

export interface PluginCache {
  get(installation: Installation, key: string): Promise<string | null>
  put(installation: Installation, key: string, text: string): Promise<void>
  /** 0: nothing is shared. */
  readonly textBytesMax: number
}

/** What was put in the running stretch of time. */
interface Spent {
  readonly sinceMs: number
  bytes: number
}

export function openPluginCache({ sharing: { plugins: shared }, clock, limits }: PluginCacheDeps): PluginCache {
  const spent = new Map<string, Spent>()
  /** Nothing lives longer than a stretch, so an installation never has more than twice this of a process in the cache. */
  const isAdmitted = (installation: string, bytes: number): boolean => {
    const nowMs = clock.monotonicMs()
    const known = spent.get(installation)
    const now =
      known !== undefined && nowMs - known.sinceMs < limits.pluginCacheTtlMs ? known : { sinceMs: nowMs, bytes: 0 }
    spent.set(installation, now)
    if (bytes > limits.pluginCacheTextBytesMax || now.bytes + bytes > limits.pluginCacheBytesMax) return false
    now.bytes += bytes
    return true
  }
  return {
    textBytesMax: shared.isNone === true ? 0 : limits.pluginCacheTextBytesMax,
    get: async (installation, key) => (await shared.get(keyOf(installation, key))) ?? null,
    put: async (installation, key, text) => {
      if (!isAdmitted(installation.key, Buffer.byteLength(text))) return
      await shared.put(keyOf(installation, key), text, limits.pluginCacheTtlMs)
    },
  }
}

/** Workspace and installation stand in it, so nobody is answered with what is another's. */
const keyOf = ({ key: installation, plugin }: Installation, key: string): string =>
  `${installation}:${plugin.bundle.hash}:${createHash('sha256').update(key).digest('base64url')}`
