/** What of an installation is loaded into a sandbox: its code for what reacts to events, and once more for its transform. */
import type { Limits } from '../limits.ts'
import type { AskedEffects, Unit } from '../sandbox/sandbox.ts'
import type { Installation } from './installation.ts'
import type { Manifest } from './manifest.ts'

export const unitOf = ({ key, plugin, config, limits, group, hardened }: Installation): Unit => ({
  key,
  bundle: plugin.bundle,
  config: JSON.stringify(config),
  limits,
  asks: asksOf(plugin.manifest),
  group,
  hardened,
  native: plugin.manifest.runtime === 'native' ? { dir: plugin.dir, main: plugin.manifest.main } : undefined,
})

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
