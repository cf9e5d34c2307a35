/** A release of many says how many are stored, whatever happens on its way. */
import { expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { releaseAll, releaseSome } from '../../core/http/release.ts'
import type { ReleaseDeps } from '../../core/http/release.ts'
import { FORM_MISMATCH } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

/** What the store releases by kinds, slice by slice, and what each item that is held against its form comes to. */
function world(slices: readonly (readonly string[] | Error)[], retakes: readonly (string | Error)[]): ReleaseDeps {
  const left = [...slices]
  const items = retakes.map((end) => ({ code: FORM_MISMATCH, end }))
  return {
    store: {
      release: async () => {
        const slice = left.shift() ?? []
        if (slice instanceof Error) throw slice
        return slice.map((kind) => ({ kind, responseId: 'rsp_1' }))
      },
      listQuarantine: async () => ({ items, next: null }),
    },
    retake: async ({ end }: { end: string | Error }) => {
      if (end instanceof Error) throw end
      return end === 'held' ? { kind: 'stored', isHeld: true } : { kind: end }
    },
    clock: { nowMs: () => 0 },
    onEvents: () => {},
    logger: quiet,
  } as unknown as ReleaseDeps
}
const all = (deps: ReleaseDeps, filter = {}) => releaseAll(deps, 'default', filter)
const busy = new HubError('storage_busy', 'The database is busy.')

test('what was stored counts: not what gave way to newer answers, what stays, or what is put aside anew', async () => {
  const stays = [new HubError('invalid_response', 'x'), new HubError('response_rejected', 'x'), 'held', 'duplicate']
  const deps = world([['stored', 'duplicate', 'completed']], ['stored', ...stays, 'completed'])
  expect(await all(deps)).toEqual({ released: 4, stopped: null, next: null })
  expect(await all(world([['stored']], ['stored']), { reason: 'flagged' })).toEqual({
    released: 1,
    stopped: null,
    next: null,
  })
})

test('one that fails half-way says what is stored, and why the rest waits; one that stored nothing fails', async () => {
  const full = Array.from({ length: 100 }, () => 'stored')
  expect(await all(world([full, busy], []))).toEqual({ released: 100, stopped: busy, next: null })
  expect(await all(world([['stored']], ['stored', new Error('secret'), 'stored']))).toEqual({
    released: 2,
    stopped: expect.objectContaining({ code: 'internal', message: 'The hub failed.' }),
    next: null,
  })
  await expect(all(world([busy], []))).rejects.toBe(busy)
  await expect(all(world([], [busy, 'stored']))).rejects.toBe(busy)
})

test('it goes by steps, too: first what waits, then what is held against its form anew, from place to place', async () => {
  const deps = world([['stored', 'completed'], ['stored']], ['stored', 'held'])
  const steps: unknown[] = []
  for (let cursor: string | null = null; ;) {
    const done = await releaseSome(deps, { workspace: 'default', filter: {}, limit: 2, cursor })
    steps.push([done.released, done.next])
    cursor = done.next
    if (cursor === null) break
  }
  expect(steps).toEqual([
    [2, 'again'],
    [1, 'anew~'],
    [1, null],
  ])
})
