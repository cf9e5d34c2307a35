/** Installations that the file has no more, and what is left of them that nobody will deliver. */
import type { WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { LaneCounts } from '../storage/store.ts'
import type { Standing } from './standing.ts'

/** Those of `counts` that are not in `known`, an installation's id each, and of which something waits or is dead. */
export const goneOf = (
  counts: readonly LaneCounts[],
  workspace: WorkspaceId,
  known: ReadonlySet<string>,
): readonly LaneCounts[] =>
  counts.filter((lane) => lane.workspace === workspace && !known.has(lane.installation) && isLeft(lane))

const isLeft = ({ pending, retrying, dead }: LaneCounts): boolean => pending + retrying + dead > 0

/** What there is to do about it. */
export const discardLeft = (installation: string): string =>
  `put it back into manifold.yaml and they go on, or delete them: manifold deliveries discard --installation ${installation}`

/** A line each for those that left the file; loud where deliveries are left behind. */
export function tellRemoved(
  logger: Logger,
  removed: readonly Pick<Standing, 'installation'>[],
  counts: readonly LaneCounts[],
): void {
  for (const { installation } of removed) {
    const { workspace, id } = installation
    const left = counts.find((lane) => lane.workspace === workspace && lane.installation === id)
    if (left === undefined || !isLeft(left)) {
      logger.info({ installation: id }, 'installation removed; its rows stay')
      continue
    }
    const { pending, retrying, dead } = left
    const fields = { installation: id, waiting: pending + retrying, dead, todo: discardLeft(id) }
    logger.warn(fields, 'installation removed; its rows stay, and its deliveries with them: nobody makes those')
  }
}
