/** Who carries out the hooks of a workspace: an installation whose plugin has the permission. */
import type { WorkspaceId } from '../model.ts'
import type { DiscoveredPlugin } from './discover.ts'
import type { Installation } from './installation.ts'
import type { Roster } from './roster.ts'

export interface HookCarriers {
  in(workspace: WorkspaceId): Pick<Installation, 'id' | 'pii'> | undefined
  /** Ids of the plugins that could, installed or not. */
  readonly plugins: readonly string[]
}

/** The first in the order of the file. */
export const hookCarriers = (
  plugins: readonly Pick<DiscoveredPlugin, 'manifest'>[],
  roster: Pick<Roster, 'assembly'>,
): HookCarriers => ({
  plugins: plugins.filter(({ manifest }) => manifest.permissions.hooks).map(({ manifest }) => manifest.id),
  in: (workspace) =>
    roster
      .assembly()
      ?.installations.find((each) => each.workspace === workspace && each.plugin.manifest.permissions.hooks),
})
