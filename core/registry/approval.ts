/** An approval that comes over the API: a yes to what was shown, by its hash, and to nothing that came afterwards. */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import { planApproval } from './approve.ts'
import type { Assembly } from './assemble.ts'
import { readManifest } from './read-manifest.ts'

export interface ApprovalDeps {
  readonly dataDir: string
  readonly assembly: () => Assembly | null
  /** Processes of the hub, this one among them; none where it is alone. */
  readonly processes: () => readonly { readonly url: string | null }[]
  /** Has the hub look at lock and files again; resolves when it has. */
  readonly reload: () => Promise<void>
  readonly clock: Clock
}

/** Resolves when what was granted runs, with the lines of the diff. */
export type Approve = (id: string, hash: string) => Promise<readonly string[]>

/** Files and lock are of this machine: where several processes run, each has its own, and one cannot speak for the others. */
export function openApprovals(deps: ApprovalDeps): Approve {
  return async (id, hash) => {
    const plugin = deps.assembly()?.plugins.find(({ manifest }) => manifest.id === id)
    if (plugin === undefined) throw new HubError('not_found', `There is no plugin "${id.slice(0, 100)}".`)
    refuseInFleet(deps, id)
    if (plugin.origin === 'builtin') throw new HubError('conflict', `"${id}" comes with the hub; it needs no approval.`)
    const read = await readManifest(plugin.dir)
    if ('problems' in read) throw new HubError('conflict', read.problems.join(' '))
    const plan = await planApproval(deps.dataDir, { ...plugin, manifest: read.manifest })
    if (plan === null) throw new HubError('conflict', `"${id}" is what was granted; there is nothing to approve.`)
    if (plan.hash !== hash)
      throw new HubError(
        'conflict',
        `What is on disk is not what you approve. It is version ${read.manifest.version}, hash ${plan.hash}; read what differs and approve that.`,
        { problems: plan.lines.map((detail) => ({ pointer: '/hash', detail })) },
      )
    await plan.grant(deps.clock.nowMs())
    await deps.reload()
    return plan.lines
  }
}

function refuseInFleet({ processes }: ApprovalDeps, id: string): void {
  const all = processes()
  if (all.length < 2) return
  const where = all.map(({ url }) => url ?? 'one that listens nowhere').join(', ')
  throw new HubError(
    'conflict',
    `${all.length} processes run (${where}), each with files and a lock of its own. Run "manifold plugin approve ${id}" in the data folder of each.`,
  )
}
