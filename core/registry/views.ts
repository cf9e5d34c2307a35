/** Plugins and installations as the API and the CLI show them: secrets redacted, health and backlog beside each. */
import { sumUsage } from '../accounting/usage.ts'
import type { Usage } from '../accounting/usage.ts'
import { maskedHeader, withoutCredentials } from '../capabilities/credentials.ts'
import { rfc3339 } from '../clock.ts'
import { notClosed } from '../delivery/breaker.ts'
import type { Breakers } from '../delivery/breaker.ts'
import type { UsageOf } from '../fleet/anywhere.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Checked, InstallationRow, InstallationState, WorkspaceId } from '../model.ts'
import type { LaneCounts, Store } from '../storage/store.ts'
import type { Assembly } from './assemble.ts'
import { credentialOf, standingFindings } from './credential.ts'
import type { CredentialView } from './credential.ts'
import type { DiscoveredPlugin } from './discover.ts'
import { grantsOf } from './grants.ts'
import type { Installation } from './installation.ts'
import type { LockEntry } from './lock.ts'
import type { Manifest } from './manifest.ts'
import type { PendingApproval } from './pinning.ts'
import type { Roster } from './roster.ts'
import type { SourceDiff } from './source-diff.ts'

/** A plugin folder as the API shows it. A broken one has `problems` and no version. */
export interface PluginView {
  readonly id: string
  readonly name: string
  readonly version: string | null
  readonly description: string | null
  readonly origin: 'builtin' | 'community'
  readonly events: readonly string[]
  readonly actions: readonly string[]
  readonly schedules: readonly string[]
  readonly routes: readonly string[]
  /** Hosts the manifest asks for. */
  readonly hosts: readonly string[]
  /** JSON Schema of `with`. */
  readonly config: Readonly<Record<string, unknown>>
  readonly problems: readonly string[]
  /** What the version on disk asks for, and what the lock says was granted (null: never in use here). */
  readonly asks: readonly string[]
  readonly granted: readonly string[] | null
  readonly grantedAt: string | null
  /** SHA-256 of the bundle that runs; null: it is not in use. */
  readonly code: string | null
  /** Of all its installations in the workspace together; null: none could be asked. */
  readonly usage: Usage | null
  /** Why the version on disk waits for approval; null: it does not. */
  readonly needsApproval: NeedsApproval | null
}

/** What was granted beside what is on disk. */
export interface NeedsApproval {
  readonly from: {
    readonly version: string
    readonly grants: readonly string[]
    readonly grantedAt: string
    readonly code: string
  }
  readonly to: {
    readonly version: string
    readonly grants: readonly string[]
    readonly code: string | null
    /** What an approval has to name; null: it cannot be bundled as it is. */
    readonly hash: string | null
  }
  /** The version that goes on meanwhile; null: none is left. */
  readonly running: string | null
  /** Its folder is not there any more: there is nothing to approve. */
  readonly gone: boolean
  /** A line each: `+` asked for and not granted, `-` given up, `!` other files. */
  readonly diff: readonly string[]
  /** What changed in the sources; null: what was granted is not kept, or what is on disk cannot be read. */
  readonly sources: SourceDiff | null
}

/** One installation with what an operator wants to know at a glance. */
export interface InstallationView {
  readonly id: string
  readonly plugin: string
  readonly version: string | null
  readonly state: InstallationState
  readonly reason: string | null
  readonly stateSince: string | null
  /** `with` after redaction: secrets and what is a credential by its name are shown as `***`. */
  readonly config: Readonly<Record<string, unknown>>
  readonly forms: readonly string[] | null
  readonly events: readonly string[] | null
  /** Last event sequence handled, and how many wait behind it. */
  readonly pii: Installation['pii']
  readonly cursor: number
  readonly lag: number
  readonly lastSuccessAt: string | null
  readonly lastFailureAt: string | null
  readonly lastError: string | null
  readonly lastErrorCode: string | null
  readonly failureStreak: number
  readonly credential: CredentialView
  /** What its check found of the settings it has now and nothing has disproved since; null: it has none, or none has run yet. */
  readonly check: Pick<Checked, 'at' | 'findings'> | null
  readonly deliveries: {
    readonly pending: number
    readonly retrying: number
    readonly dead: number
    readonly delivered: number
  }
  /** Creation time of the oldest delivery that waits; null: none does. */
  readonly oldestWaitingAt: string | null
  /** When it returns by itself; null: somebody has to see to it, or it runs. */
  readonly returnsAt: string | null
  /** Null: no process that runs it could be asked. */
  readonly usage: Usage | null
  /** No living process runs it: its events wait. */
  readonly unattended: boolean
  readonly breakers: readonly {
    readonly host: string
    readonly state: 'open' | 'half_open'
    readonly until: string | null
  }[]
}

/** The registry, seen from outside. */
export interface RegistryView {
  plugins(workspace: WorkspaceId): Promise<readonly PluginView[]>
  installations(workspace: WorkspaceId): Promise<readonly InstallationView[]>
}

export interface ViewDeps {
  readonly roster: Roster
  readonly store: Pick<Store, 'syncInstallations' | 'laneCounts' | 'headSeq'>
  readonly breakers: Pick<Breakers, 'list'>
  /** The cursor as the pump has it, ahead of what is stored while it skips events; undefined when it does not run. */
  readonly cursorOf: (key: string) => number | undefined
  readonly fleet: Pick<Fleet, 'orphans' | 'breakers'>
  /** Asks whichever processes run them. */
  readonly usageOf: UsageOf
}

/** Reads at each call; the lists are short and asked by people. */
export function openRegistryView(deps: ViewDeps): RegistryView {
  return {
    plugins: async (workspace) => {
      const assembly = deps.roster.assembly()
      if (assembly === null) return []
      const own = assembly.installations.filter((installation) => installation.workspace === workspace)
      const usage = await deps.usageOf({ keys: own.map(({ key }) => key) })
      const usedBy = (id: string): Usage | null =>
        sumUsage(own.filter(({ plugin }) => plugin.manifest.id === id).flatMap(({ key }) => usage[key] ?? []))
      const broken = assembly.brokenPlugins.map(({ id, problems }) => ({ ...NOTHING, id, name: id, problems }))
      const isGone = ({ manifest }: DiscoveredPlugin): boolean =>
        assembly.pending.some((waits) => waits.isGone && waits.id === manifest.id)
      const whole = [...assembly.plugins, ...[...assembly.loaded.values()].filter(isGone)].map((plugin) => ({
        ...pluginView(plugin, assembly),
        usage: usedBy(plugin.manifest.id),
      }))
      return [...whole, ...broken].toSorted((a, b) => (a.id < b.id ? -1 : 1))
    },
    installations: async (workspace) => {
      const [rows, counts, head] = await Promise.all([
        deps.store.syncInstallations([]),
        deps.store.laneCounts(),
        deps.store.headSeq(),
      ])
      const all = listed(deps, workspace, rows)
      const usage = await deps.usageOf({ keys: all.flatMap(({ installation }) => installation?.key ?? []) })
      return all.map(({ row, installation, reason }) => {
        const count = counts.find((lane) => lane.workspace === workspace && lane.installation === row.id)
        const used = usage[`${workspace}/${row.id}`] ?? null
        return installationView({ deps, row, installation, reason, count, head, usage: used })
      })
    },
  }
}

const NOTHING = {
  version: null,
  description: null,
  origin: 'community' as const,
  events: [],
  actions: [],
  schedules: [],
  routes: [],
  hosts: [],
  config: {},
  asks: [],
  granted: null,
  grantedAt: null,
  code: null,
  usage: null,
  needsApproval: null,
}

function pluginView({ manifest, origin }: DiscoveredPlugin, assembly: Assembly): Omit<PluginView, 'usage'> {
  const entry = assembly.granted[manifest.id]
  const waits = assembly.pending.find(({ id }) => id === manifest.id)
  return {
    id: manifest.id,
    name: manifest.name,
    version: manifest.version,
    description: manifest.description ?? null,
    origin,
    events: Object.keys(manifest.on),
    actions: Object.keys(manifest.actions),
    schedules: Object.keys(manifest.schedules),
    routes: Object.keys(manifest.routes),
    hosts: manifest.permissions.http?.hosts ?? [],
    config: manifest.config,
    problems: [],
    asks: grantsOf(manifest),
    granted: entry?.grants ?? null,
    grantedAt: entry?.grantedAt ?? null,
    code: assembly.loaded.get(manifest.id)?.bundle.hash ?? null,
    needsApproval: waits === undefined || entry === undefined ? null : needsApproval(manifest, { entry, waits }),
  }
}

const needsApproval = (
  manifest: Manifest,
  { entry, waits }: { readonly entry: LockEntry; readonly waits: PendingApproval },
): NeedsApproval => ({
  from: { version: entry.version, grants: entry.grants, grantedAt: entry.grantedAt, code: entry.hash },
  to: { version: manifest.version, grants: grantsOf(manifest), code: waits.code, hash: waits.hash },
  running: waits.running,
  gone: waits.isGone,
  diff: waits.diff.split('\n'),
  sources: waits.sources,
})

interface Listed {
  readonly row: InstallationRow
  readonly installation: Installation | null
  readonly reason: string | null
}

/** Those of the running file; rows of installations that left the file are history, not installations. */
function listed({ roster }: ViewDeps, workspace: WorkspaceId, rows: readonly InstallationRow[]): readonly Listed[] {
  const broken = new Map(
    (roster.assembly()?.brokenInstallations ?? []).map((item) => [`${item.workspace}/${item.id}`, item]),
  )
  return rows
    .filter((row) => row.workspace === workspace)
    .flatMap((row): Listed[] => {
      const key = `${row.workspace}/${row.id}`
      const member = roster.find(key)
      if (member !== undefined)
        return [
          {
            installation: member.installation,
            // As it is stored: words of a response that was deleted are still in memory.
            reason: row.state === member.state ? row.reason : member.reason,
            row: { ...row, state: member.state, returnsAtMs: member.returnsAtMs },
          },
        ]
      const problem = broken.get(key)
      return problem === undefined
        ? []
        : [{ row: { ...row, state: problem.state, plugin: problem.use }, installation: null, reason: problem.reason }]
    })
}

interface ViewInput extends Listed {
  readonly deps: ViewDeps
  readonly count: LaneCounts | undefined
  readonly head: number
  readonly usage: Usage | null
}

function installationView({ deps, row, installation, reason, count, head, usage }: ViewInput): InstallationView {
  const key = `${row.workspace}/${row.id}`
  const isOfThese = row.check !== null && row.check.hash === installation?.hash
  const check = isOfThese
    ? { ...row.check, findings: standingFindings({ ...row, check: row.check, config: installation.config }) }
    : null
  const cursor = Math.max(row.cursor, deps.cursorOf(key) ?? 0)
  return {
    id: row.id,
    plugin: row.plugin,
    version: installation?.plugin.manifest.version ?? null,
    state: row.state,
    reason,
    stateSince: row.stateSince,
    config: installation === null ? {} : (redacted(installation.config) as Readonly<Record<string, unknown>>),
    forms: installation?.when.forms ?? null,
    events: installation?.when.events ?? null,
    pii: installation?.pii ?? false,
    cursor,
    lag: Math.max(0, head - cursor),
    lastSuccessAt: row.lastSuccessAt,
    lastFailureAt: row.lastFailureAt,
    lastError: row.lastError,
    lastErrorCode: row.lastErrorCode,
    failureStreak: row.failureStreak,
    credential: credentialOf({ ...row, reason, check }),
    check: check === null ? null : { at: check.at, findings: check.findings },
    deliveries: {
      pending: count?.pending ?? 0,
      retrying: count?.retrying ?? 0,
      dead: count?.dead ?? 0,
      delivered: count?.delivered ?? 0,
    },
    oldestWaitingAt: count?.oldestAt ?? null,
    returnsAt: row.returnsAtMs === null ? null : rfc3339(row.returnsAtMs),
    usage,
    unattended: deps.fleet.orphans().includes(key),
    breakers: [...notClosed(deps.breakers), ...deps.fleet.breakers()]
      .filter(({ installation: of }) => of === key)
      .map(({ host, state, probeAtMs }) => ({ host, state, until: probeAtMs === null ? null : rfc3339(probeAtMs) })),
  }
}

const MASK = '***'
const CREDENTIAL_NAME = /secret|token|password|passwd|credential|authorization|cookie|api[-_]?key/i
const URL_TEXT = /^[a-z][a-z0-9+.-]*:\/\//i

/**
 * Secret references become `***`, and so do credentials that were written as plain text: headers and settings that are
 * credentials by their name, and those parts of URLs. `path` holds the names that lead to the value.
 */
export function redacted(value: unknown, path: readonly string[] = []): unknown {
  if (Array.isArray(value)) return value.map((item) => redacted(item, path))
  if (typeof value === 'string') return redactedText(value, path)
  if (typeof value !== 'object' || value === null) return value
  if (Object.hasOwn(value, '$secret')) return MASK
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, redacted(inner, [...path, name])]))
}

function redactedText(text: string, path: readonly string[]): string {
  const [parent = '', name = ''] = path.length < 2 ? ['', path[0]] : path.slice(-2)
  if (/headers$/i.test(parent)) return maskedHeader(name, text, MASK)
  if (CREDENTIAL_NAME.test(name)) return MASK
  return URL_TEXT.test(text) ? withoutCredentials(text, MASK) : text
}
