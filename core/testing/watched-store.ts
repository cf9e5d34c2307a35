/** The store of a test, which also remembers the keys of deliveries (nothing reads them back) and whether it is being asked. */
import type { Store } from '../storage/store.ts'

/** The same store, and what was seen of it. */
export function watchStore(inner: Store) {
  const known = new Map<string, string>()
  let asking = 0
  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    asking += 1
    try {
      return await work()
    } finally {
      asking -= 1
    }
  }
  const note = (deliveries: readonly { readonly id: string; readonly key: string }[]): void => {
    for (const { id, key } of deliveries) known.set(id, key)
  }
  const store: Store = {
    ...inner,
    accept: (submissions) => {
      for (const { forwards = [] } of submissions) note(forwards.map(({ delivery }) => delivery))
      return inner.accept(submissions)
    },
    commitHandled: (batch) => {
      note(batch.effects.deliveries)
      return inner.commitHandled(batch)
    },
    finishAttempts: (finished) => {
      note(finished.flatMap(({ effects }) => effects.deliveries))
      return counted(() => inner.finishAttempts(finished))
    },
    loadDue: (query) => counted(() => inner.loadDue(query)),
    nextDue: (...query) => counted(() => inner.nextDue(...query)),
    appendEvents: (...query) => counted(() => inner.appendEvents(...query)),
  }
  return { store, keys: { of: (id: string) => known.get(id) ?? null, isBusy: () => asking > 0 } }
}
