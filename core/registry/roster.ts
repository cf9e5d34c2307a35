/**
 * The installations as they stand: takes an assembly, saves its forms, gives each installation its remembered state,
 * loads what may run into the sandbox, and tells the pump and the lanes. A part that cannot run is set aside with its
 * reason; everything else goes on without noticing.
 */
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { PlacedInstallation } from '../delivery/ports.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { InstallationRow, InstallationState, LogEvent, NewEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Sandbox, UnitSurface } from '../sandbox/sandbox.ts'
import type { Store } from '../storage/store.ts'
import type { Assembly } from './assemble.ts'
import { saveFileForms } from './file-forms.ts'
import type { Installation } from './installation.ts'
import type { Manifest } from './manifest.ts'
import { isRunning, moveInstallation } from './states.ts'
import type { InstallationMove } from './states.ts'

export interface RosterDeps {
  readonly store: Pick<
    Store,
    | 'saveForm'
    | 'listForms'
    | 'listKeys'
    | 'syncInstallations'
    | 'setInstallationState'
    | 'headSeq'
    | 'seqBefore'
    | 'appendEvents'
  >
  readonly sandbox: Pick<Sandbox, 'load' | 'unload'>
  readonly clock: Clock
  readonly logger: Logger
  readonly published: (events: readonly LogEvent[]) => void
  /** The whole list of those with a place, after every change. */
  readonly changed: (placed: readonly PlacedInstallation[]) => void
}

/** Why a file pauses; a pause with another reason was an operator's and outlives the file's wishes. */
const PAUSED_BY_FILE = 'paused in manifold.yaml'

interface Member {
  readonly installation: Installation
  state: InstallationState
  reason: string | null
  readonly cursor: number
}

export class Roster {
  readonly #deps: RosterDeps
  readonly #members = new Map<string, Member>()
  /** Hash of what the sandbox holds by installation key, once its names were found to fit. */
  readonly #loaded = new Map<string, string>()
  #assembly: Assembly | null = null
  #loading: Promise<void> = Promise.resolve()

  constructor(deps: RosterDeps) {
    this.#deps = deps
  }

  /** What was applied last; null before the first. */
  assembly(): Assembly | null {
    return this.#assembly
  }

  /** Resolves when forms and states are written; units load behind it, see `loaded`. */
  async apply(assembly: Assembly): Promise<void> {
    const before = this.#assembly
    await saveFileForms(this.#deps, assembly.config, before?.config ?? null)
    const rows = await this.#sync(assembly)
    const wanted = new Set(assembly.installations.map(({ key }) => key))
    const removed = [...this.#members.values()].filter(({ installation }) => !wanted.has(installation.key))
    for (const { installation } of removed) this.#members.delete(installation.key)
    try {
      for (const installation of assembly.installations)
        await this.#seat(installation, rows.get(installation.key), before !== null)
      for (const broken of assembly.brokenInstallations) {
        const row = rows.get(`${broken.workspace}/${broken.id}`)
        // What an operator or a receiver stopped stays stopped when the file is mended; the list shows it as broken.
        if (row !== undefined && isRunning(row.state)) await this.#write(row, { ...broken, to: broken.state })
      }
    } finally {
      // What is shown and what runs change in one step: nobody sees the new list while a removed one still takes events.
      this.#assembly = assembly
      // Lanes first: an attempt must never find its unit gone.
      this.#tell()
      this.#loadNext()
    }
    for (const { installation } of removed) {
      this.#loaded.delete(installation.key)
      await this.#deps.sandbox.unload(installation.key)
      this.#deps.logger.info({ installation: installation.id }, 'installation removed; its rows stay')
    }
  }

  /** Resolves when every unit of the last `apply` is loaded or set aside. */
  loaded(): Promise<void> {
    return this.#loading
  }

  placed(): readonly PlacedInstallation[] {
    return [...this.#members.values()].map((member) => ({
      installation: member.installation,
      // Until the unit of just these settings is up it stands still; its events wait in the log.
      state: isRunning(member.state) && !this.#isLoaded(member) ? 'paused' : member.state,
      cursor: member.cursor,
    }))
  }

  /** One line for the readiness answer: what stands still, if anything. */
  summary(): string {
    const still = [...this.#members.values()]
      .filter(({ state }) => !isRunning(state))
      .map(({ installation, state }) => `${installation.id} ${state}`)
    const broken = (this.#assembly?.brokenInstallations ?? []).map(({ id, state }) => `${id} ${state}`)
    const all = [...still, ...broken]
    return all.length === 0 ? `${this.#members.size} installations run` : `standing still: ${all.join(', ')}`
  }

  find(key: string): (Pick<Member, 'state' | 'reason'> & { readonly installation: Installation }) | undefined {
    return this.#members.get(key)
  }

  /** One move of the state table, written with an `alert.raised` event when it makes something stand still. */
  async move(key: string, move: InstallationMove, reason: string | null): Promise<void> {
    const member = this.#members.get(key)
    if (member === undefined) throw new HubError('not_found', `There is no installation "${key.split('/').at(-1)}".`)
    const to = moveInstallation(member.state, move)
    await this.#become(member, to, reason)
    this.#tell()
    if (isRunning(to) && !this.#isLoaded(member)) this.#loadNext()
  }

  /** Rows for all, new ones with the cursor their `from` asks for. */
  async #sync(assembly: Assembly): Promise<ReadonlyMap<string, InstallationRow>> {
    const { store, clock } = this.#deps
    const at = rfc3339(clock.nowMs())
    const head = await store.headSeq()
    const running = await Promise.all(
      assembly.installations.map(async ({ workspace, id, plugin, from }) => {
        const cursor = from === null ? head : from === 'beginning' ? 0 : await store.seqBefore(workspace, from)
        return { workspace, id, plugin: plugin.manifest.id, cursor, at }
      }),
    )
    const aside = assembly.brokenInstallations.map(({ workspace, id, use }) => ({
      workspace,
      id,
      plugin: use,
      cursor: head,
      at,
    }))
    const rows = await store.syncInstallations([...running, ...aside])
    return new Map(rows.map((row) => [`${row.workspace}/${row.id}`, row]))
  }

  async #seat(installation: Installation, row: InstallationRow | undefined, running: boolean): Promise<void> {
    const { key, hash, paused } = installation
    const known = this.#members.get(key)
    const settingsChanged = running && known !== undefined && known.installation.hash !== hash
    const member: Member = {
      installation,
      state: known?.state ?? row?.state ?? 'ready',
      reason: known?.reason ?? row?.reason ?? null,
      cursor: row?.cursor ?? 0,
    }
    this.#members.set(key, member)
    const next = seatState({ state: member.state, reason: member.reason, paused, settingsChanged })
    if (next.state !== member.state || next.reason !== member.reason)
      await this.#become(member, next.state, next.reason)
  }

  /** One after the other: of two loads of one unit the later must not come up first. */
  #loadNext(): void {
    const load = (): Promise<void> => this.#loadAll()
    this.#loading = this.#loading.then(load, load)
  }

  async #loadAll(): Promise<void> {
    const waiting = [...this.#members.values()].filter((member) => isRunning(member.state) && !this.#isLoaded(member))
    await Promise.all(waiting.map((member) => this.#load(member)))
  }

  #isLoaded({ installation: { key, hash } }: Member): boolean {
    return this.#loaded.get(key) === hash
  }

  async #load(member: Member): Promise<void> {
    const { installation } = member
    const { plugin, key, hash } = installation
    try {
      const surface = await this.#deps.sandbox.load({
        key,
        bundle: plugin.bundle,
        config: JSON.stringify(installation.config),
        limits: installation.limits,
        group: installation.group,
      })
      // From here on the sandbox holds this one, whatever becomes of it: going back to the one before is a load, too.
      this.#loaded.delete(key)
      const mismatch = surfaceMismatch(plugin.manifest, surface)
      if (mismatch !== null)
        throw new HubError('plugin_load', mismatch, {
          at: { plugin: plugin.manifest.id, version: plugin.manifest.version },
        })
      this.#loaded.set(key, hash)
      if (this.#members.get(key)?.installation.hash !== hash) return
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#deps.logger.error(
        { err: error, installation: installation.id, plugin: plugin.manifest.id },
        'the plugin cannot be loaded',
      )
      if (this.#members.get(key) === member) await this.#become(member, 'invalid', reason)
    }
    this.#tell()
  }

  async #become(member: Member, state: InstallationState, reason: string | null): Promise<void> {
    const { workspace, id } = member.installation
    // On disk first: a state that could not be written is not had, and asking again is safe.
    await this.#write({ workspace, id }, { to: state, reason })
    member.state = state
    member.reason = reason
  }

  async #write(
    row: (Pick<InstallationRow, 'workspace' | 'id'> & Partial<InstallationRow>) | undefined,
    next: { to: InstallationState; reason: string | null },
  ): Promise<void> {
    if (row === undefined || (row.state === next.to && row.reason === next.reason)) return
    const { store, clock, logger, published } = this.#deps
    const { workspace, id } = row
    const nowMs = clock.nowMs()
    await store.setInstallationState({
      workspace,
      id,
      state: next.to,
      reason: next.reason,
      at: rfc3339(nowMs),
      event: null,
    })
    const fields = { installation: id, state: next.to, reason: next.reason }
    if (isRunning(next.to)) return logger.info(fields, 'installation runs')
    logger.warn(fields, 'installation stands still')
    published(await store.appendEvents(workspace, [standstill(id, next, nowMs)]))
  }

  #tell(): void {
    this.#deps.changed(this.placed())
  }
}

/** Where an installation stands after the file was read: what an operator or a receiver stopped stays stopped. */
export function seatState(input: {
  state: InstallationState
  reason: string | null
  paused: boolean
  settingsChanged: boolean
}): { readonly state: InstallationState; readonly reason: string | null } {
  const { state, reason, paused, settingsChanged } = input
  const still = state === 'disabled' || (state === 'paused' && reason !== PAUSED_BY_FILE)
  // New settings are the admin's answer to whatever disabled it.
  if (still && !(state === 'disabled' && settingsChanged)) return { state, reason }
  return paused ? { state: 'paused', reason: PAUSED_BY_FILE } : { state: 'ready', reason: null }
}

/** Handler names in code and manifest must be the same set, both ways; null when they are. */
export function surfaceMismatch(manifest: Manifest, surface: UnitSurface): string | null {
  const problems: string[] = []
  for (const kind of ['on', 'actions', 'schedules', 'routes'] as const) {
    const declared = new Set(Object.keys(manifest[kind]))
    const defined = new Set(surface[kind])
    for (const name of declared) {
      const action = kind === 'on' ? manifest.on[name]?.enqueue : undefined
      if (action !== undefined) {
        if (defined.has(name))
          problems.push(`plugin.json has "${action}" enqueued for on "${name}", so the handler in the code never runs`)
      } else if (!defined.has(name))
        problems.push(`plugin.json declares ${kind} "${name}", the code does not define it`)
    }
    for (const name of defined)
      if (!declared.has(name)) problems.push(`the code defines ${kind} "${name}", plugin.json does not declare it`)
  }
  return problems.length === 0 ? null : `${manifest.id}: ${problems.join('; ')}.`
}

const standstill = (id: string, next: { to: InstallationState; reason: string | null }, nowMs: number): NewEvent => ({
  id: newId('event', nowMs),
  type: 'alert.raised',
  at: rfc3339(nowMs),
  formId: null,
  responseId: null,
  hops: 0,
  data: JSON.stringify({ kind: `installation_${next.to.replace('-', '_')}`, installation: id, reason: next.reason }),
})
