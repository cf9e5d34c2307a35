/** Areas of the API that plugins of the hub itself answer for, and who does so in a workspace. */
import type { Scope, WorkspaceId } from '../model.ts'
import type { DiscoveredPlugin } from './discover.ts'
import type { Manifest } from './manifest.ts'
import type { Roster } from './roster.ts'
import { matchRoute } from './route-match.ts'

/** One area; `plugin` is who claims it. */
export interface Area {
  readonly area: string
  readonly scope: Scope
  readonly plugin: string
  /** It has numbers that are told as they change. */
  readonly isLive: boolean
  /** It shows things to whoever has a link. */
  readonly isShared: boolean
  /** Those of its routes that it describes. */
  readonly described: readonly DescribedRoute[]
  readonly installationIn: (workspace: WorkspaceId) => AreaInstallation | undefined
}

/** A route of an area, as the manifest describes it. */
export interface DescribedRoute {
  readonly method: string
  /** With `{name}` placeholders, below the area. */
  readonly path: string
  readonly scopes: readonly Scope[]
  readonly doc: NonNullable<Manifest['routes'][string]['doc']>
}

/** Who answers in a workspace. */
export interface AreaInstallation {
  readonly id: string
  /** What a key needs for this request beside the scope of the area. */
  scopesFor(request: { readonly method: string; readonly path: string }): readonly Scope[]
}

/** Claims of all plugins on disk, used or not: whoever asks for one that is not installed is told so. */
export const areasOf = (
  plugins: readonly Pick<DiscoveredPlugin, 'manifest'>[],
  roster: Pick<Roster, 'assembly'>,
): readonly Area[] =>
  plugins.flatMap(({ manifest: { id, api, routes: all } }) =>
    Object.entries(api).map(([area, { scope, live: isLive, share: isShared }]) => ({
      area,
      scope,
      plugin: id,
      isLive,
      isShared,
      described: describedOf(all),
      installationIn: (workspace) => {
        const found = roster
          .assembly()
          ?.installations.find((each) => each.workspace === workspace && each.plugin.manifest.id === id)
        if (found === undefined) return undefined
        const { routes } = found.plugin.manifest
        return {
          id: found.id,
          scopesFor: (request) => routes[matchRoute(routes, request)?.name ?? '']?.scopes ?? [],
        }
      },
    })),
  )

const describedOf = (routes: Manifest['routes']): readonly DescribedRoute[] =>
  Object.entries(routes).flatMap(([name, { doc, scopes = [] }]) => {
    const [method = '', path = ''] = name.split(' ')
    return doc === undefined ? [] : [{ method, path, scopes, doc }]
  })
