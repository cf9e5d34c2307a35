/** What a plugin's code defines beside what its manifest declares. */
import type { UnitSurface } from '../sandbox/sandbox.ts'
import type { Manifest } from './manifest.ts'

/** Handler names in code and manifest must be the same set, both ways; null when they are. */
export function surfaceMismatch(manifest: Manifest, surface: UnitSurface): string | null {
  const problems: string[] = []
  for (const kind of ['on', 'actions', 'schedules', 'routes'] as const) {
    const declared = new Set(Object.keys(manifest[kind]))
    const defined = new Set(surface[kind])
    for (const name of declared) {
      const action = kind === 'on' ? manifest.on[name]?.enqueue : undefined
      if (action !== undefined) {
        if (defined.has(name))
          problems.push(`plugin.json has "${action}" enqueued for on "${name}", so the handler in the code never runs`)
      } else if (!defined.has(name))
        problems.push(`plugin.json declares ${kind} "${name}", the code does not define it`)
    }
    for (const name of defined)
      if (!declared.has(name)) problems.push(`the code defines ${kind} "${name}", plugin.json does not declare it`)
  }
  const transforms = manifest.transform !== undefined
  if (transforms && !surface.transform) problems.push('plugin.json declares a transform, the code does not define it')
  if (manifest.check && !surface.check) problems.push('plugin.json declares a check, the code does not define it')
  if (!manifest.check && surface.check) problems.push('the code defines a check, plugin.json does not declare it')
  if (!transforms && surface.transform) problems.push('the code defines a transform, plugin.json does not declare it')
  return problems.length === 0 ? null : `${manifest.id}: ${problems.join('; ')}.`
}
