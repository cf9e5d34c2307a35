/** What of an installation is loaded into a sandbox: its code for what reacts to events, and once more for its transform. */
import { createHash } from 'node:crypto'
import type { Limits } from '../limits.ts'
import type { AskedEffects, Unit } from '../sandbox/sandbox.ts'
import type { Installation } from './installation.ts'
import type { Manifest } from './manifest.ts'

export function unitOf(installation: Installation): Unit {
  const { key, plugin, config, limits, group, hardened } = installation
  const { runtime, main } = plugin.manifest
  return {
    key,
    bundle: plugin.bundle,
    config: JSON.stringify(config),
    limits,
    asks: asksOf(plugin.manifest),
    group,
    hardened,
    native: runtime === 'native' ? { dir: plugin.dir, main, grant: grantOf(installation) } : undefined,
  }
}

/** Of what decides which events, and what of them, an installation gets. */
const grantOf = ({ pii, when, plugin }: Installation): string =>
  createHash('sha256')
    .update(JSON.stringify([pii, when, plugin.manifest.on]))
    .digest('hex')

const asksOf = ({ permissions, actions }: Manifest): AskedEffects => ({
  kv: permissions.kv,
  emit: permissions.emit,
  actions: Object.keys(actions),
})

/** Senders wait for it: whoever loops is ended while those who wait behind it still have time. */
export function transformUnitOf(installation: Installation, { pluginTransformCpuMs: cpuMs }: Limits): Unit {
  const { limits } = installation
  return { ...unitOf(installation), limits: { ...limits, cpuMs, sliceMs: Math.min(limits.sliceMs, cpuMs * 2) } }
}
