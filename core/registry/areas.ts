/** Areas of the API that plugins of the hub itself answer for, and who does so in a workspace. */
import type { Scope, WorkspaceId } from '../model.ts'
import type { DiscoveredPlugin } from './discover.ts'
import type { Roster } from './roster.ts'

/** One area; `plugin` is who claims it. */
export interface Area {
  readonly area: string
  readonly scope: Scope
  readonly plugin: string
  readonly installationIn: (workspace: WorkspaceId) => string | undefined
}

/** Claims of all plugins on disk, used or not: whoever asks for one that is not installed is told so. */
export const areasOf = (
  plugins: readonly Pick<DiscoveredPlugin, 'manifest'>[],
  roster: Pick<Roster, 'assembly'>,
): readonly Area[] =>
  plugins.flatMap(({ manifest: { id, api } }) =>
    Object.entries(api).map(([area, { scope }]) => ({
      area,
      scope,
      plugin: id,
      installationIn: (workspace) =>
        roster.assembly()?.installations.find((each) => each.workspace === workspace && each.plugin.manifest.id === id)
          ?.id,
    })),
  )
