/** The inlet as a whole: what comes over HTTP, and what plugins' routes submit, over one set of rooms. */
import { openByPlugin } from './by-plugin.ts'
import type { ByPlugin, ByPluginDeps, PluginInlet } from './by-plugin.ts'
import { openCollector } from './events/collector.ts'
import type { Collector, CollectorDeps } from './events/collector.ts'
import { openPluginForms } from './plugin-forms.ts'
import type { PluginFormsDeps } from './plugin-forms.ts'
import { openReceiver } from './receive.ts'
import type { Receiver } from './receive.ts'

export interface Inlet {
  readonly receiver: Receiver
  readonly collector: Collector
  readonly retake: ByPlugin['retake']
  /** For routes of plugins. */
  readonly ofPlugins: PluginInlet
}

/** Opens both ways in. */
export function openInlet(deps: ByPluginDeps & PluginFormsDeps & CollectorDeps): Inlet {
  const { submit, retake } = openByPlugin(deps)
  return {
    receiver: openReceiver(deps),
    collector: openCollector(deps),
    retake,
    ofPlugins: { submit, forms: openPluginForms(deps) },
  }
}
