/** The inlet as a whole: what comes over HTTP, and what plugins' routes submit, over one set of rooms. */
import { openByPlugin } from './by-plugin.ts'
import type { ByPlugin, ByPluginDeps, PluginInlet } from './by-plugin.ts'
import { openPluginForms } from './plugin-forms.ts'
import type { PluginFormsDeps } from './plugin-forms.ts'
import { openReceiver } from './receive.ts'
import type { Receiver } from './receive.ts'

export interface Inlet {
  readonly receiver: Receiver
  readonly retake: ByPlugin['retake']
  /** For routes of plugins. */
  readonly ofPlugins: PluginInlet
}

/** Opens both ways in. */
export function openInlet(deps: ByPluginDeps & PluginFormsDeps): Inlet {
  const { submit, retake } = openByPlugin(deps)
  return { receiver: openReceiver(deps), retake, ofPlugins: { submit, forms: openPluginForms(deps) } }
}
