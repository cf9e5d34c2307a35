/** Opens what runs native plugins, with what their installations may ask of the hub. */
import { join } from 'node:path'
import type { Logger, Meter } from '../observe/observe.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { createNative } from './host.ts'
import { openNativeServices } from './services.ts'
import type { ServiceDeps } from './services.ts'

export interface NativeDeps extends ServiceDeps {
  readonly dataDir: string
  readonly logger: Logger
  readonly meter: Pick<Meter, 'sandboxRestart'>
}

/** What they keep is in `<data>/native`, a folder an installation. */
export const openNative = (deps: NativeDeps): Sandbox =>
  createNative({
    logger: deps.logger,
    dir: join(deps.dataDir, 'native'),
    service: openNativeServices(deps),
    onRestart: (group, why) => deps.meter.sandboxRestart(group, why),
  })
