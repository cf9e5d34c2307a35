/** The checks of installations: when somebody asks, and once for settings that are new. What they find is kept and told. */
import { rfc3339 } from '../clock.ts'
import type { HubConfig, Place } from '../config/config.ts'
import { placeOfSetting } from '../config/place-of-setting.ts'
import { HubError } from '../errors.ts'
import type { CheckFinding, WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Store } from '../storage/store.ts'
import { runCheck } from './check-call.ts'
import type { CheckCallDeps } from './check-call.ts'
import type { Installation } from './installation.ts'
import type { Roster } from './roster.ts'

/** What a check came to. */
export interface CheckView {
  /** RFC 3339, when it began; null: the plugin has no check. */
  readonly at: string | null
  readonly findings: readonly CheckFinding[]
}

export interface ChecksDeps extends CheckCallDeps {
  readonly roster: () => Pick<Roster, 'find' | 'bringUp' | 'assembly'>
  readonly store: Pick<Store, 'syncInstallations' | 'saveCheck'>
  readonly logger: Logger
}

export interface Checks {
  /** Also of one that stands still: that is when somebody wants to know. Rejects with `not_found`. */
  check(input: { readonly workspace: WorkspaceId; readonly installation: string }): Promise<CheckView>
  /** It runs here with these settings: when nobody has checked them yet, that is done now, behind everything else. */
  loaded(installation: Installation): void
  /** Nothing more begins; what runs goes down with the sandbox, and nobody is told. */
  close(): void
}

/** Checks in the background run one after the other. */
export function openChecks(deps: ChecksDeps): Checks {
  let last: Promise<void> = Promise.resolve()
  let closed = false
  const look = async (installation: Installation): Promise<CheckView> => {
    const { workspace, id, key, hash } = installation
    // Of two that overlap the one that began later knows better, whichever ends first.
    const at = rfc3339(deps.clock.nowMs())
    const findings = await runCheck(deps, installation)
    // Other settings since, or none at all: this says nothing of them.
    if (deps.roster().find(key)?.installation.hash !== hash) return { at, findings }
    await tell(deps, installation, findings)
    await deps.store.saveCheck({ workspace, id, at, hash, findings })
    return { at, findings }
  }
  const lookOnce = async ({ workspace, id, key, hash }: Installation): Promise<void> => {
    const now = deps.roster().find(key)?.installation
    if (closed || now?.hash !== hash) return
    const row = (await deps.store.syncInstallations([])).find((each) => each.workspace === workspace && each.id === id)
    if (row !== undefined && row.check?.hash !== hash) await look(now)
  }
  return {
    check: async ({ workspace, installation: id }) => {
      const key = `${workspace}/${id}`
      const member = deps.roster().find(key)
      if (member === undefined)
        throw new HubError('not_found', `There is no installation "${id.slice(0, 100)}" that can run.`)
      if (!member.installation.plugin.manifest.check) return { at: null, findings: [] }
      return look(await deps.roster().bringUp(key))
    },
    loaded: (installation) => {
      if (!installation.plugin.manifest.check) return
      last = last
        .then(() => lookOnce(installation))
        .catch((error: unknown) => {
          if (!closed)
            deps.logger.warn({ err: error, installation: installation.id }, 'new settings could not be checked')
        })
    },
    close: () => {
      closed = true
    },
  }
}

async function tell(
  { logger, roster }: Pick<ChecksDeps, 'logger' | 'roster'>,
  { workspace, id, plugin }: Installation,
  findings: readonly CheckFinding[],
): Promise<void> {
  const config = roster().assembly()?.config
  for (const { level, message, at, code } of findings) {
    if (level === 'info') continue
    const place = config === undefined ? null : await placeOfSetting(config, { workspace, id, at })
    const fields = { installation: id, plugin: plugin.manifest.id, code, setting: at, place: placeText(place, config) }
    logger[level === 'error' ? 'error' : 'warn'](fields, `the check of an installation found: ${message}`)
  }
}

const placeText = (place: Place | null, config: HubConfig | undefined): string | undefined =>
  place === null ? (config?.file ?? undefined) : `${place.file}:${place.line}:${place.column}`
