/**
 * What is known of an installation that cannot run. Its transform looks at nothing, so what counts is what becomes of the
 * responses it would have looked at: as its admin says, else as its plugin says, wherever that can still be read.
 */
import type { HubConfig } from '../config/config.ts'
import type { BrokenInstallation, Transform } from './installation.ts'
import type { Loading } from './loading.ts'
import type { Manifest } from './manifest.ts'

/** One that is set aside, with why. */
export interface Aside extends Pick<BrokenInstallation, 'state' | 'reason'> {
  readonly item: Omit<HubConfig['quarantined'][number], 'problems'>
}

/** Of a plugin that nobody can read: all that it could have been asked about. */
const UNREAD: Omit<Transform, 'whenFails'> = { data: [], headers: [], on: ['completed', 'partial'] }

/** The entry as it is listed. */
export async function toBroken(
  { item, state, reason }: Aside,
  loading: Pick<Loading, 'manifestsOf'>,
): Promise<BrokenInstallation> {
  const { workspace, id, use, form, whenFails } = item
  const forms = typeof form === 'string' ? [form] : (form ?? null)
  const transform = transformOf(await loading.manifestsOf(use), whenFails)
  return { workspace, id, use, state, reason, forms, transform }
}

function transformOf(manifests: readonly Manifest[], whenFails: Transform['whenFails'] | undefined): Transform | null {
  const known = manifests.find(({ transform }) => transform !== undefined)?.transform
  if (known !== undefined) return { ...known, whenFails: whenFails ?? known.whenFails }
  // Where its plugin is known to have no transform, the word is a mistake; else whoever wrote it knows of one.
  return manifests.length > 0 || whenFails === undefined ? null : { ...UNREAD, whenFails }
}
