/** Plugins and installations as the API and the CLI show them: secrets redacted, health and backlog beside each. */
import { maskedHeader, withoutCredentials } from '../capabilities/credentials.ts'
import { rfc3339 } from '../clock.ts'
import type { Breakers } from '../delivery/breaker.ts'
import type { InstallationRow, InstallationState, WorkspaceId } from '../model.ts'
import type { LaneCounts, Store } from '../storage/store.ts'
import type { DiscoveredPlugin } from './discover.ts'
import type { Installation } from './installation.ts'
import type { Roster } from './roster.ts'

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
  readonly cursor: number
  readonly lag: number
  readonly lastSuccessAt: string | null
  readonly lastFailureAt: string | null
  readonly lastError: string | null
  readonly deliveries: {
    readonly pending: number
    readonly retrying: number
    readonly dead: number
    readonly delivered: number
  }
  readonly breakers: readonly {
    readonly host: string
    readonly state: 'open' | 'half_open'
    readonly until: string | null
  }[]
}

/** The registry, seen from outside. */
export interface RegistryView {
  plugins(): readonly PluginView[]
  installations(workspace: WorkspaceId): Promise<readonly InstallationView[]>
}

export interface ViewDeps {
  readonly roster: Roster
  readonly store: Pick<Store, 'syncInstallations' | 'laneCounts' | 'headSeq'>
  readonly breakers: Pick<Breakers, 'list'>
  /** The cursor as the pump has it, ahead of what is stored while it skips events; undefined when it does not run. */
  readonly cursorOf: (key: string) => number | undefined
}

/** Reads at each call; the lists are short and asked by people. */
export function openRegistryView(deps: ViewDeps): RegistryView {
  return {
    plugins: () => {
      const assembly = deps.roster.assembly()
      if (assembly === null) return []
      const broken = assembly.brokenPlugins.map(({ id, problems }) => ({ ...NOTHING, id, name: id, problems }))
      return [...assembly.plugins.map(pluginView), ...broken].toSorted((a, b) => (a.id < b.id ? -1 : 1))
    },
    installations: async (workspace) => {
      const [rows, counts, head] = await Promise.all([
        deps.store.syncInstallations([]),
        deps.store.laneCounts(),
        deps.store.headSeq(),
      ])
      return listed(deps, workspace, rows).map(({ row, installation, reason }) => {
        const count = counts.find((lane) => lane.workspace === workspace && lane.installation === row.id)
        return installationView({ deps, row, installation, reason, count, head })
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
}

function pluginView({ manifest, origin }: DiscoveredPlugin): PluginView {
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
  }
}

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
        return [{ row: { ...row, state: member.state }, installation: member.installation, reason: member.reason }]
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
}

function installationView({ deps, row, installation, reason, count, head }: ViewInput): InstallationView {
  const key = `${row.workspace}/${row.id}`
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
    cursor,
    lag: Math.max(0, head - cursor),
    lastSuccessAt: row.lastSuccessAt,
    lastFailureAt: row.lastFailureAt,
    lastError: row.lastError,
    deliveries: {
      pending: count?.pending ?? 0,
      retrying: count?.retrying ?? 0,
      dead: count?.dead ?? 0,
      delivered: count?.delivered ?? 0,
    },
    breakers: deps.breakers
      .list()
      .filter((breaker) => breaker.key.installation === key && breaker.state !== 'closed')
      .map((breaker) => ({
        host: breaker.key.host,
        state: breaker.state === 'open' ? 'open' : 'half_open',
        until: breaker.state === 'open' ? rfc3339(breaker.probeAtMs) : null,
      })),
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
