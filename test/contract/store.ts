/** The contract of `Store`, black box: what every implementation must do, as a function of one. */
import { afterAll, beforeAll, describe } from 'vitest'
import type { Store } from '../../core/storage/store.ts'
import { acceptPart } from './store/accept.ts'
import { attemptsPart } from './store/attempts.ts'
import { batchesPart } from './store/batches.ts'
import { deliveriesPart } from './store/deliveries.ts'
import { durabilityPart } from './store/durability.ts'
import { erasePart } from './store/erase.ts'
import { formsPart } from './store/forms.ts'
import { hooksPart } from './store/hooks.ts'
import { isolationPart } from './store/isolation.ts'
import { keysPart } from './store/keys.ts'
import { ladderPart } from './store/ladder.ts'
import { sessionsPart } from './store/sessions.ts'
import { logPart } from './store/log.ts'
import { memoryPart } from './store/memory.ts'
import { discardPart } from './store/discard.ts'
import { quarantinePart } from './store/quarantine.ts'
import { replayPart } from './store/replay.ts'
import { runsPart } from './store/runs.ts'
import { searchPart } from './store/search.ts'
import { trackPart } from './store/track.ts'
import { trafficPart } from './store/traffic.ts'

/** A place that outlives a store: what is opened there again finds what was left. */
export interface StorePlace {
  open(): Promise<Store>
  /** Puts a backup in the place of what is there; the store is closed. */
  restore(backupFile: string): Promise<void>
  /** A path for files of the test. */
  file(name: string): string
  remove(): Promise<void>
}

export interface StoreBackend {
  readonly name: string
  place(): Promise<StorePlace>
}

/** The store that the tests of a part share; each test takes a workspace of its own. */
export type SharedStore = () => { readonly store: Store; readonly workspace: string }

/** Runs the suite on a backend. */
export function storeContract(backend: StoreBackend): void {
  describe(`store contract: ${backend.name}`, () => {
    const shared = sharedStore(backend)
    for (const part of [
      formsPart,
      acceptPart,
      quarantinePart,
      discardPart,
      logPart,
      trackPart,
      ladderPart,
      trafficPart,
      memoryPart,
      deliveriesPart,
      attemptsPart,
      replayPart,
      searchPart,
      runsPart,
      erasePart,
      batchesPart,
      keysPart,
      sessionsPart,
      hooksPart,
      isolationPart,
    ]) {
      part(shared)
    }
    durabilityPart(backend)
  })
}

function sharedStore(backend: StoreBackend): SharedStore {
  let place: StorePlace
  let store: Store
  let taken = 0
  beforeAll(async () => {
    place = await backend.place()
    store = await place.open()
  })
  afterAll(async () => {
    await store.close()
    await place.remove()
  })
  return () => ({ store, workspace: `w${++taken}` })
}
