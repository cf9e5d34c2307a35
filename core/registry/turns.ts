/** What has to be alone while it runs: the serial actions of an installation, and what others share them with. */
import type { Installation } from './installation.ts'
import { capturedBy } from './with-schema.ts'

type Serial = Pick<Installation, 'key' | 'workspace' | 'plugin' | 'config'>

/**
 * By action, whatever has to be alone while it runs: the installation's own action (`serial: true`), or what all
 * installations of the plugin in the workspace call the same in that setting. Actions that are not serial are left out.
 */
export function turnsOf(installation: Serial): ReadonlyMap<string, string> {
  const { key, plugin } = installation
  const turns = new Map<string, string>()
  for (const [name, { serial = false }] of Object.entries(plugin.manifest.actions)) {
    if (serial === true) turns.set(name, JSON.stringify([key, name]))
    else if (serial !== false) turns.set(name, sharedTurn(installation, serial))
  }
  return turns
}

/** Those of them that other installations may take as well: whoever takes the same runs in the same process. */
export function sharedTurnsOf(installation: Serial): readonly string[] {
  const shared = Object.values(installation.plugin.manifest.actions).flatMap(({ serial = false }) =>
    typeof serial === 'string' ? [sharedTurn(installation, serial)] : [],
  )
  return [...new Set(shared)]
}

/** How a manifest names a setting. */
const SETTING = '@config.'

interface Described {
  readonly properties: Readonly<Record<string, object>>
}

function sharedTurn({ workspace, plugin, config }: Serial, serial: string): string {
  const { id, config: schema } = plugin.manifest
  const setting = serial.slice(SETTING.length)
  // The manifest is refused when that setting could be anything but a text.
  const text = config[setting] as string
  const { pattern } = (schema as unknown as Described).properties[setting] as { readonly pattern?: string }
  return JSON.stringify([workspace, id, setting, pattern === undefined ? text : capturedBy(pattern, text)])
}
