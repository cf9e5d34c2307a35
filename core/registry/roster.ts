/**
 * The installations as they stand: takes an assembly, saves its forms, gives each installation its remembered state,
 * loads what may run into the sandbox, and tells the pump and the lanes. A part that cannot run is set aside with its
 * reason; everything else goes on without noticing.
 */
import type { Clock } from '../clock.ts'
import type { PlacedInstallation } from '../delivery/ports.ts'
import { HubError } from '../errors.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { InstallationRow, LogEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { StateChange, Store } from '../storage/store.ts'
import type { Assembly } from './assemble.ts'
import { saveFileForms } from './file-forms.ts'
import { tellRemoved } from './gone.ts'
import type { Installation } from './installation.ts'
import { isOwnFault, LoadAgain, messageOf } from './load-again.ts'
import { shortHash } from './pinning.ts'
import type { Sentence, Standing } from './standing.ts'
import { isMended, seatState, writeState } from './standing.ts'
import { canMove, isRunning, moveInstallation } from './states.ts'
import type { InstallationMove } from './states.ts'
import { surfaceMismatch } from './surface.ts'
import { syncRows } from './sync-rows.ts'
import { sharedTurnsOf } from './turns.ts'
import { unitOf } from './units.ts'

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
    | 'getEvent'
    | 'laneCounts'
  >
  readonly sandbox: Pick<Sandbox, 'load' | 'unload'>
  /** Which of them this process is to run. */
  readonly fleet: Pick<Fleet, 'alone' | 'standing' | 'want' | 'holds' | 'orphans'>
  readonly clock: Clock
  readonly logger: Logger
  readonly published: (events: readonly LogEvent[]) => void
  /** The whole list of those that run here, after every change. */
  readonly changed: (placed: readonly PlacedInstallation[]) => void
  /** One that had run here runs with other code or settings. */
  readonly swapped?: ((installation: Installation) => void) | undefined
  /** Its unit is up, with these settings. */
  readonly loaded?: ((installation: Installation) => void) | undefined
}

const OLD_FILE = 'the configuration here is older than what other processes run; its forms are not taken over'

type Member = { -readonly [name in keyof Standing]: Standing[name] } & {
  cursor: number
  /** The hub has judged that it is to stand still, and writes that down: it must not be let go meanwhile. */
  isJudged: boolean
}

/** Why, in the words of a receiver. */
type Told = Pick<Sentence, 'reason' | 'words'>

/** Forgiven: by a person, or by other code or settings. */
const NO_PAUSES = { pausesAtMs: [] } as const

export class Roster {
  readonly #deps: RosterDeps
  readonly #members = new Map<string, Member>()
  /** Hash of what the sandbox holds by installation key, once its names were found to fit. */
  readonly #loaded = new Map<string, string>()
  readonly #everLoaded = new Set<string>()
  readonly #again: LoadAgain
  #assembly: Assembly | null = null
  #loading: Promise<void> = Promise.resolve()
  #isOld = false
  #catchingUp: Promise<void> = Promise.resolve()

  constructor(deps: RosterDeps) {
    this.#deps = deps
    this.#again = new LoadAgain(deps.clock)
  }

  /** What was applied last; null before the first. */
  assembly(): Assembly | null {
    return this.#assembly
  }

  /** Resolves when forms and states are written; units load behind it, see `loaded`. */
  async apply(assembly: Assembly): Promise<void> {
    const before = this.#assembly
    await this.#saveForms(assembly, before)
    const rows = await syncRows(this.#deps, assembly)
    const wanted = new Map(assembly.installations.map((each) => [each.key, sharedTurnsOf(each)]))
    this.#deps.fleet.want(wanted)
    const removed = [...this.#members.values()].filter(({ installation }) => !wanted.has(installation.key))
    for (const { installation } of removed) this.#members.delete(installation.key)
    try {
      for (const installation of assembly.installations)
        await this.#seat(installation, rows.get(installation.key), before !== null)
      for (const broken of assembly.brokenInstallations) {
        const row = rows.get(`${broken.workspace}/${broken.id}`)
        // What an operator or a receiver stopped stays stopped when the file is mended; the list shows it as broken.
        if (row !== undefined && isRunning(row.state)) await this.#setAside(row, broken)
      }
    } finally {
      // What is shown and what runs change in one step: nobody sees the new list while a removed one still takes events.
      this.#assembly = assembly
      // Lanes first: an attempt must never find its unit gone.
      this.#tell()
      this.#loadNext()
    }
    for (const { installation } of removed) await this.#drop(installation.key)
    if (removed.length > 0) tellRemoved(this.#deps.logger, removed, await this.#deps.store.laneCounts())
  }

  /** Of several processes only those with the newest file say what forms there are: an old one must not bring back the past. */
  async #saveForms(assembly: Assembly, before: Assembly | null): Promise<void> {
    const { checksum, file } = assembly.config
    this.#isOld = (await this.#deps.fleet.standing(checksum)) === 'older'
    if (!this.#isOld) return saveFileForms(this.#deps, assembly.config, before?.config ?? null)
    this.#deps.logger.error({ file, checksum }, OLD_FILE)
  }

  /** Where there are other processes it is set aside here only: they may have what this one lacks. */
  async #setAside(row: InstallationRow, broken: Assembly['brokenInstallations'][number]): Promise<void> {
    const { id, reason, state } = broken
    if (this.#deps.fleet.alone) {
      if (row.state !== state || row.reason !== reason) await writeState(this.#deps, row, { state, reason })
      return
    }
    this.#deps.logger.error({ installation: id, state, reason }, 'this process cannot run an installation; others may')
  }

  /** Resolves when every unit of the last `apply` is loaded or set aside, or has said why it is not up yet. */
  loaded(): Promise<void> {
    return this.#loading
  }

  /** Nothing is loaded any more; resolves when what is on its way is up. */
  close(): Promise<void> {
    this.#again.close()
    return this.#loading
  }

  placed(): readonly PlacedInstallation[] {
    return this.#mine().map((member) => ({
      installation: member.installation,
      // Until the unit of just these settings is up, or once it was judged, it stands still; its events wait in the log.
      state: isRunning(member.state) && (member.isJudged || !this.#isLoaded(member)) ? 'paused' : member.state,
      cursor: member.cursor,
    }))
  }

  /**
   * Another process changed a state, or the fleet gave this one installations or took some away: reads what is stored of
   * them, and goes on from there. Resolves when the lanes know; units load behind it.
   */
  catchUp(): Promise<void> {
    // What has to stop does so now, however long the database takes to answer: others may run it already.
    if (this.#lost().length > 0) this.#tell()
    const next = (): Promise<void> => this.#catchUp()
    this.#catchingUp = this.#catchingUp.then(next, next)
    return this.#catchingUp
  }

  async #catchUp(): Promise<void> {
    const lost = this.#lost()
    const rows = await this.#deps.store.syncInstallations([])
    for (const row of rows) {
      const member = this.#members.get(`${row.workspace}/${row.id}`)
      if (member === undefined) continue
      member.state = row.state
      member.reason = row.reason
      member.returnsAtMs = row.returnsAtMs
      member.pausesAtMs = row.pausesAtMs
      member.refusedHash = row.refusedHash
      member.cursor = row.cursor
      await this.#follow(member)
    }
    this.#tell()
    this.#loadNext()
    for (const key of lost) {
      if (!this.#deps.fleet.holds(key)) await this.#drop(key)
    }
  }

  async #drop(key: string): Promise<void> {
    this.#loaded.delete(key)
    this.#everLoaded.delete(key)
    this.#again.forget(key)
    await this.#deps.sandbox.unload(key)
  }

  /** Where the file wants it, when it is this process that runs it. */
  async #follow(member: Member): Promise<void> {
    const { installation, state, reason } = member
    const { key, hash, paused } = installation
    if (!this.#deps.fleet.holds(key)) return
    const next = seatState({ ...member, hash, paused, settingsChanged: false })
    const isPardoned = next.state === 'ready' && state !== 'paused' && !isMended({ ...member, hash })
    // A plugin that used up its points, or could not be loaded, is forgiven by a start or new settings, not by a change of hands.
    if ((next.state === state && next.reason === reason) || isPardoned) return
    await this.#become(member, next)
  }

  #lost(): readonly string[] {
    return [...this.#loaded.keys()].filter((key) => !this.#deps.fleet.holds(key))
  }

  #mine(): readonly Member[] {
    return [...this.#members.values()].filter(({ installation }) => this.#deps.fleet.holds(installation.key))
  }

  /** One line for the readiness answer: what stands still, if anything. */
  summary(): string {
    const still = [...this.#members.values()]
      .filter(({ state }) => !isRunning(state))
      .map(({ installation, state }) => `${installation.id} ${state}`)
    const broken = (this.#assembly?.brokenInstallations ?? []).map(({ id, state }) => `${id} ${state}`)
    const unattended = this.#deps.fleet.orphans().map((key) => `${key.split('/').at(-1)} without a worker`)
    const late = this.#again.keys().map((key) => `${key.split('/').at(-1)} not loaded yet`)
    const all = [...still, ...late, ...broken, ...unattended, ...(this.#isOld ? [OLD_FILE] : [])]
    return all.length === 0 ? `${this.#members.size} installations run` : `standing still: ${all.join(', ')}`
  }

  find(key: string): Standing | undefined {
    return this.#members.get(key)
  }

  /** What the sandbox holds of it is what `find` answers. */
  isUp(key: string): boolean {
    const member = this.#members.get(key)
    return member !== undefined && this.#isLoaded(member)
  }

  /** One move of the state table that a person or a receiver asks for, with an `alert.raised` event when it stands still. */
  async move(key: string, move: InstallationMove, told: string | null | Told): Promise<void> {
    const member = this.#members.get(key)
    if (member === undefined) throw new HubError('not_found', `There is no installation "${key.split('/').at(-1)}".`)
    const state = moveInstallation(member.state, move)
    const sentence = typeof told === 'object' && told !== null ? told : { reason: told }
    await this.#become(member, { ...sentence, state, ...(state === 'ready' ? NO_PAUSES : {}) })
    member.isJudged = false
    this.#goOn(member)
  }

  /**
   * One move of the state table that the hub makes by itself, always with an `alert.raised` event. Nothing happens when it
   * does not run here, or when somebody, in whatever process, has put it into another state meanwhile: theirs counts.
   */
  async judge(key: string, move: InstallationMove, sentence: Omit<Sentence, 'state'>): Promise<void> {
    const member = this.#members.get(key)
    if (member === undefined) return
    member.isJudged = false
    if (!this.#deps.fleet.holds(key) || !canMove(member.state, move)) return
    const only = { state: member.state, returnsAtMs: member.returnsAtMs }
    const state = moveInstallation(member.state, move)
    member.isJudged = !isRunning(state)
    // A refusal that could not be written is judged again, and stands until then.
    let isOver = sentence.refusedHash === undefined
    let isDone = false
    try {
      isDone = await this.#become(member, { ...sentence, state }, only)
      isOver = true
    } finally {
      const now = this.#members.get(key)
      if (now !== undefined && isOver) now.isJudged = false
    }
    // The file may have been read again meanwhile: what was written is not of the member there is now.
    if (isDone && this.#members.get(key) === member) this.#goOn(member)
    else await this.catchUp()
  }

  #goOn(member: Member): void {
    this.#tell()
    if (isRunning(member.state) && !this.#isLoaded(member)) this.#loadNext()
  }

  async #seat(installation: Installation, row: InstallationRow | undefined, running: boolean): Promise<void> {
    const { key, hash, paused } = installation
    const known = this.#members.get(key)
    const settingsChanged = running && known !== undefined && known.installation.hash !== hash
    const member: Member = {
      installation,
      state: known?.state ?? row?.state ?? 'ready',
      reason: known?.reason ?? row?.reason ?? null,
      returnsAtMs: (known ?? row)?.returnsAtMs ?? null,
      pausesAtMs: (known ?? row)?.pausesAtMs ?? [],
      refusedHash: (known ?? row)?.refusedHash ?? null,
      cursor: row?.cursor ?? 0,
      isJudged: known?.installation.hash === hash && known.isJudged,
    }
    this.#members.set(key, member)
    if (this.#isLoaded(member)) this.#again.forget(key)
    if (!this.#deps.fleet.holds(key)) return
    const next = seatState({ ...member, hash, paused, settingsChanged })
    if (next.state !== member.state || next.reason !== member.reason)
      await this.#become(member, { ...next, ...(settingsChanged ? NO_PAUSES : {}) })
  }

  /** One after the other: of two loads of one unit the later must not come up first. */
  #loadNext(): void {
    const load = (): Promise<void> => this.#loadAll()
    this.#loading = this.#loading.then(load, load)
  }

  async #loadAll(): Promise<void> {
    const waiting = this.#mine().filter((member) => isRunning(member.state) && !this.#isLoaded(member))
    await Promise.all(waiting.map((member) => this.#load(member)))
  }

  /** Its unit is up in the end, whatever its state: for a look at one that stands still. Rejects with why it cannot be. */
  async bringUp(key: string): Promise<Installation> {
    const loadOne = async (): Promise<void> => {
      const member = this.#members.get(key)
      if (member !== undefined && !this.#isLoaded(member)) await this.#load(member)
    }
    this.#loading = this.#loading.then(loadOne, loadOne)
    await this.#loading
    const member = this.#members.get(key)
    if (member !== undefined && this.#isLoaded(member)) return member.installation
    throw new HubError(
      'unavailable',
      member?.reason ?? this.#again.reasonOf(key) ?? `The installation "${key.split('/').at(-1)}" is gone.`,
    )
  }

  #isLoaded({ installation: { key, hash } }: Member): boolean {
    return this.#loaded.get(key) === hash
  }

  async #load(member: Member): Promise<void> {
    const { installation } = member
    const { plugin, key, hash } = installation
    try {
      const surface = await this.#deps.sandbox.load(unitOf(installation))
      // From here on the sandbox holds this one, whatever becomes of it: going back to the one before is a load, too.
      this.#loaded.delete(key)
      const mismatch = surfaceMismatch(plugin.manifest, surface)
      if (mismatch !== null)
        throw new HubError('plugin_load', mismatch, {
          at: { plugin: plugin.manifest.id, version: plugin.manifest.version },
        })
      this.#loaded.set(key, hash)
      this.#again.forget(key)
      const swapped = this.#everLoaded.has(key)
      this.#everLoaded.add(key)
      if (this.#members.get(key)?.installation.hash !== hash) return
      this.#tell()
      if (swapped) this.#tellSwapped(installation)
      this.#deps.loaded?.(installation)
      return
    } catch (error) {
      await this.#notLoaded(member, error)
    }
    this.#tell()
  }

  /** Until it is up it stands still, whatever its state: events and deliveries wait. */
  async #notLoaded(member: Member, error: unknown): Promise<void> {
    const { id, key, plugin } = member.installation
    const isCurrent = this.#members.get(key) === member
    const inMs = isCurrent && !isOwnFault(error) ? this.#again.later(key, error, () => this.#loadNext()) : null
    const fields = { err: error, installation: id, plugin: plugin.manifest.id, inMs }
    this.#deps.logger.error(fields, 'the plugin cannot be loaded')
    if (isCurrent && inMs === null) await this.#become(member, { state: 'invalid', reason: messageOf(error) })
  }

  #tellSwapped(installation: Installation): void {
    const { id, plugin } = installation
    const { id: name, version } = plugin.manifest
    const fields = { installation: id, plugin: name, version, code: shortHash(plugin.bundle.hash) }
    this.#deps.logger.info(fields, 'an installation runs with new code or settings')
    this.#deps.swapped?.(installation)
  }

  /** False: it is not in the state any more that `only` says, and nothing has changed. */
  async #become(member: Member, sentence: Sentence, only?: StateChange['only']): Promise<boolean> {
    const { state, reason, returnsAtMs = null, pausesAtMs = member.pausesAtMs, refusedHash = null } = sentence
    // On disk first: a state that could not be written is not had, and asking again is safe.
    if (!(await writeState(this.#deps, member.installation, { ...sentence, only }))) return false
    member.state = state
    member.reason = reason
    member.returnsAtMs = returnsAtMs
    member.pausesAtMs = pausesAtMs
    member.refusedHash = refusedHash
    if (!isRunning(state)) this.#again.forget(member.installation.key)
    return true
  }

  #tell(): void {
    this.#deps.changed(this.placed())
  }
}
