/**
 * The transforms of the configuration, in the order of its installations, each with a unit of its own in a sandbox of
 * their own: senders wait for them, so they stand behind no handler and no action, and they are loaded in every process
 * that takes responses, whoever runs the installation.
 */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Limits } from '../limits.ts'
import type { Form, InstallationState } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Assembly } from '../registry/assemble.ts'
import type { Installation, Transform } from '../registry/installation.ts'
import { isOwnFault, LoadAgain } from '../registry/load-again.ts'
import { surfaceMismatch } from '../registry/surface.ts'
import { isRunning } from '../registry/states.ts'
import { transformUnitOf } from '../registry/units.ts'
import { compileWhen } from '../routing/match.ts'
import type { CompiledWhen } from '../routing/match.ts'
import type { Proofs } from '../sandbox/proof.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'

/** One link of the chain. */
export interface Member {
  readonly workspace: string
  readonly id: string
  readonly plugin: string
  readonly transform: Transform
  /** Null: all. */
  readonly forms: ReadonlySet<string> | null
  /** Null: it is set aside as a whole and can look at nothing. */
  readonly running: { readonly installation: Installation; readonly when: CompiledWhen } | null
  /** Resolves when it can be asked; rejects with why it cannot. */
  ready(): Promise<void>
}

export interface MembersDeps {
  readonly sandbox: Pick<Sandbox, 'load' | 'unload'>
  /** That the sandbox holds, on this machine; asked before anything is loaded. */
  readonly proofs: Pick<Proofs, 'prove'>
  readonly stateOf: (key: string) => { readonly state: InstallationState; readonly reason: string | null } | undefined
  readonly clock: Pick<Clock, 'after'>
  readonly limits: Limits
  readonly logger: Logger
}

/** The unit of one installation as one configuration wants it. */
interface Load {
  readonly installation: Installation
  /** How the first try ended, then that of the last one that mattered: who asks while it is tried again does not wait. */
  done: Promise<void>
  /** The last try; of two units of one key the later must not come up first. */
  trying: Promise<void>
  hasFailed: boolean
}

export class Members {
  readonly #deps: MembersDeps
  readonly #loads = new Map<string, Load>()
  readonly #again: LoadAgain
  #list: readonly Member[] = []
  #isClosed = false

  constructor(deps: MembersDeps) {
    this.#deps = deps
    this.#again = new LoadAgain(deps.clock)
  }

  /**
   * Takes over what a configuration says; resolves when every unit is loaded, or has said why it cannot be. Rejects where
   * the sandbox does not hold.
   */
  async apply(assembly: Assembly): Promise<void> {
    const transforming = assembly.installations.filter(({ transform }) => transform !== null)
    await Promise.all(transforming.map(({ hardened }) => this.#deps.proofs.prove(hardened)))
    // A reload that the end of the process overtook.
    if (this.#isClosed) return
    const members = await Promise.all(
      transforming.map(async (installation) => {
        const load = this.#load(installation)
        await load.done.catch(() => undefined)
        const member = this.#member(load)
        // What ran went on until here, as what it was.
        this.#list = this.#list.map((each) => (isSame(each, member) ? member : each))
        return member
      }),
    )
    this.#list = [...members, ...setAside(assembly)]
    const wanted = new Set(transforming.map(({ key }) => key))
    for (const [key, load] of this.#loads) {
      if (wanted.has(key)) continue
      this.#loads.delete(key)
      this.#again.forget(key)
      await load.trying.catch(() => undefined)
      await this.#deps.sandbox.unload(key)
    }
  }

  /** Nothing is loaded any more; resolves when what is on its way is up, or has said why it cannot be. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#again.close()
    await Promise.allSettled([...this.#loads.values()].map(({ trying }) => trying))
  }

  /** Those that look at responses of the form, in order. */
  of({ workspace, id }: Pick<Form, 'workspace' | 'id'>): readonly Member[] {
    if (this.#list.length === 0) return this.#list
    return this.#list.filter(
      (member) =>
        member.workspace === workspace &&
        (member.forms?.has(id) ?? true) &&
        // Taken out of the file a moment ago.
        (member.running === null || this.#deps.stateOf(member.running.installation.key) !== undefined),
    )
  }

  #member(load: Load): Member {
    const { limits, stateOf } = this.#deps
    return memberOf(load.installation, limits, async () => {
      refuseStandstill(stateOf(load.installation.key)?.state)
      await load.done
    })
  }

  /** That of the same settings, while it has not failed; each configuration tries again. */
  #load(installation: Installation): Load {
    const { key, hash } = installation
    const before = this.#loads.get(key)
    if (before?.installation.hash === hash && !before.hasFailed) return before
    this.#again.forget(key)
    const begun = (before?.trying ?? Promise.resolve()).catch(() => undefined)
    const done = begun.then(() => this.#bringUp(installation))
    const load: Load = { installation, done, trying: done, hasFailed: false }
    this.#loads.set(key, load)
    this.#watch(load)
    return load
  }

  /** Looks how its last try ends, and sees to another one where that may help. */
  #watch(load: Load): void {
    const { key, id } = load.installation
    const { trying } = load
    trying.then(
      () => {
        load.done = trying
        load.hasFailed = false
        if (this.#loads.get(key) === load) this.#again.forget(key)
      },
      (error: unknown) => {
        load.hasFailed = true
        if (this.#loads.get(key) !== load) return
        const inMs = isOwnFault(error) ? null : this.#again.later(key, error, () => this.#tryAgain(load))
        this.#deps.logger.error({ err: error, installation: id, inMs }, 'a transform cannot be loaded')
      },
    )
  }

  #tryAgain(load: Load): void {
    load.trying = this.#bringUp(load.installation)
    this.#watch(load)
  }

  async #bringUp(installation: Installation): Promise<void> {
    const surface = await this.#deps.sandbox.load(transformUnitOf(installation, this.#deps.limits))
    const mismatch = surfaceMismatch(installation.plugin.manifest, surface)
    if (mismatch !== null) throw new HubError('plugin_load', mismatch)
  }
}

const isSame = (one: Member, other: Member): boolean => one.workspace === other.workspace && one.id === other.id

/** The chain of one installation whose unit is loaded by somebody else. */
export function onlyMember(
  installation: Installation,
  state: () => InstallationState,
): { of(form: Pick<Form, 'workspace' | 'id'>): readonly Member[] } {
  if (installation.transform === null) return { of: () => [] }
  const member = memberOf(installation, LIMITS, async () => refuseStandstill(state()))
  return { of: ({ id }) => (member.forms?.has(id) === false ? [] : [member]) }
}

function refuseStandstill(state: InstallationState | undefined): void {
  if (state === undefined || !isRunning(state))
    throw new HubError('unavailable', `the installation is ${state ?? 'not there'}`)
}

function memberOf(installation: Installation, limits: Limits, ready: Member['ready']): Member {
  const { workspace, id, plugin, when } = installation
  // `when.event` is about the log.
  const compiled = compileWhen({ when: { ...when, events: null }, types: RESPONSES }, limits)
  if (!compiled.ok) throw new HubError('internal', `The filter of "${id}" was good when it was read.`)
  return {
    workspace,
    id,
    plugin: plugin.manifest.id,
    transform: installation.transform as Transform,
    forms: when.forms === null ? null : new Set(when.forms),
    running: { installation, when: compiled.when },
    ready,
  }
}

const RESPONSES = ['response.submitted', 'response.partial']

/**
 * Installations of the file that cannot run. What is said of their failures holds for them too, for every response of their
 * forms: which of those a filter would have let through nobody can say.
 */
function setAside({ brokenInstallations }: Assembly): readonly Member[] {
  return brokenInstallations.flatMap(({ workspace, id, use, state, forms: named, transform }): Member[] => {
    if (transform === null) return []
    const ready = () => Promise.reject(new HubError('unavailable', `the installation is ${state}`))
    const forms = named === null ? null : new Set(named)
    return [{ workspace, id, plugin: use, transform, forms, running: null, ready }]
  })
}
