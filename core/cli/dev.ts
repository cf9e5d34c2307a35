/** `manifold dev`: the hub beside somebody who writes plugins. It follows their folders, and shows what happens as it does. */
import { resolve } from 'node:path'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { RunningHub } from '../main.ts'
import type { Assembly } from '../registry/assemble.ts'
import { rootsOf } from '../registry/discover.ts'
import type { Installation } from '../registry/installation.ts'
import { borrowBundler } from '../sandbox/bundler.ts'
import type { Call, Run } from './call.ts'
import { numberOption } from './call.ts'
import type { HubClient } from './hub-client.ts'
import { clientFor } from './hub-client.ts'
import { listenForKeys } from './keyboard.ts'
import { prettyLog } from './pretty-log.ts'
import { replayPath, tellReplay } from './replay.ts'
import { eventReplay } from './rows.ts'
import { serve } from './serve.ts'

/** Editors write a file in one go, or truncate it first: that takes them a few milliseconds. */
const DEBOUNCE_MS = 25
/** What `r` replays when `--replay` does not say. */
const REPLAY_EVENTS = 1
/** Installations that are saved together come up together. */
const TOGETHER_MS = 100

export const run: Run = async (call) => {
  const { terminal } = call
  const every = numberOption(call, 'replay', { from: 0 }) ?? 0
  // Kept for as long as this runs: to start it takes longer than to bundle a plugin.
  const { giveBack } = await borrowBundler()
  const replayer = new Replayer(call)
  const tellWaiting = approvalTeller(call)
  const authoring = {
    follow: rootsOf([]).map(({ dir }) => dir),
    fileToCome: resolve('manifold.yaml'),
    debounceMs: DEBOUNCE_MS,
    ...(terminal.interactive ? { logSink: prettyLog(terminal) } : {}),
    applied: (assembly: Assembly) => {
      tellWaiting(assembly)
      replayer.installations = assembly.installations
    },
    swapped: (installation: Installation) => {
      replayer.note(installation)
      if (every > 0) void replayer.replay([installation], every)
    },
  }
  const beside = (hub: RunningHub, signal: AbortSignal): void => {
    replayer.open(hub)
    terminal.say('manifold: following manifold.yaml and the plugin folders')
    const listening = listenForKeys(signal, {
      r: () => void replayer.replay(replayer.latest(), every || REPLAY_EVENTS),
      '?': () => terminal.say(KEYS_HELP),
    })
    if (listening) terminal.say(KEYS_HELP)
  }
  await serve(call, { authoring, beside }).finally(giveBack)
}

const KEYS_HELP =
  'keys: r the last event (--replay N: the last N) again, through what was saved last (or every plugin of yours) · Ctrl-C end · ? this'

/** Has the last events seen again by what was saved. */
class Replayer {
  readonly #call: Call
  installations: readonly Installation[] = []
  #hub: HubClient | null = null
  #saved: { readonly installations: Installation[]; atMs: number } = { installations: [], atMs: 0 }

  constructor(call: Call) {
    this.#call = call
  }

  open({ url, operatorKey }: RunningHub): void {
    this.#hub = clientFor(url, operatorKey)
  }

  note(installation: Installation): void {
    const atMs = performance.now()
    if (atMs - this.#saved.atMs > TOGETHER_MS) this.#saved = { installations: [], atMs }
    this.#saved.atMs = atMs
    this.#saved.installations.push(installation)
  }

  /** What was saved last; all that are not the hub's own before anything was. */
  latest(): readonly Installation[] {
    const { installations } = this.#saved
    return installations.length > 0
      ? installations
      : this.installations.filter(({ plugin }) => plugin.origin !== 'builtin')
  }

  async replay(installations: readonly Installation[], last: number): Promise<void> {
    const { terminal } = this.#call
    for (const { id, workspace } of installations) {
      // The key that this process has is one of the default workspace.
      if (workspace !== DEFAULT_WORKSPACE || this.#hub === null) continue
      try {
        tellReplay(terminal, id, await this.#hub.request('POST', replayPath(id), { as: eventReplay, body: { last } }))
      } catch (error) {
        terminal.say(`${id}: ${(error as Error).message}`)
      }
    }
  }
}

/**
 * Says once which saved plugins ask for more than they were granted: until they are approved the version from before
 * goes on running, and an author would look in vain for what they changed.
 */
function approvalTeller({ terminal }: Call): (assembly: Assembly) => void {
  const told = new Map<string, string>()
  return ({ pending }) => {
    for (const { id, version, diff } of pending) {
      if (told.get(id) === diff) continue
      terminal.say(`manifold: ${id} ${version} is not what was granted and waits: ${diff.replaceAll('\n', ', ')}`)
      terminal.say(`  → manifold plugin approve ${id}`)
    }
    told.clear()
    for (const { id, diff } of pending) told.set(id, diff)
  }
}
