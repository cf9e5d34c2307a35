/** Hooks and notes, over a driver. */
import type { Limits } from '../limits.ts'
import { mapped, mappedPage } from './mapped.ts'
import { toHook, toNote } from './rows.ts'
import type { HookStore } from './hook-store.ts'
import type { Driver } from './verbs.ts'

/** Those verbs of the store. */
export function hookVerbs(
  driver: Driver,
  limits: Pick<Limits, 'hooksPerWorkspaceMax' | 'notesPerResponseMax'>,
): HookStore {
  return {
    saveHook: async (hook) => {
      const { row, created } = await driver.write('saveHook', { hook, hooksMax: limits.hooksPerWorkspaceMax })
      return { hook: toHook(row), created }
    },
    getHook: async (workspace, id, inForceMs) =>
      mapped(
        await driver.read('getHook', { workspace, id, ...(inForceMs === undefined ? {} : { inForceMs }) }),
        toHook,
      ),
    listHooks: async (workspace, query) => mappedPage(await driver.read('listHooks', { workspace, query }), toHook),
    hooksFor: async (query) => mappedPage(await driver.read('hooksFor', query), toHook),
    countHooks: (workspace, of) => driver.read('countHooks', { workspace, ...(of === undefined ? {} : { of }) }),
    endedHooks: async (query) => (await driver.read('endedHooks', query)).map(toHook),
    untoldHooks: async (query) => (await driver.read('untoldHooks', query)).map(toHook),
    tellStopped: async (told) => (await driver.write('tellStopped', told)) !== null,
    removeHook: async (hook) => (await driver.write('removeHook', hook)) !== null,
    noteHooks: async (notes) => {
      if (notes.length > 0) await driver.write('noteHooks', notes)
    },
    strayOperators: async (workspace, inForce) =>
      (await driver.read('strayOperators', { workspace, inForce })).map(({ key_id: key, n }) => ({
        key,
        hooks: Number(n),
      })),
    settleOperators: async (keys) => (await driver.write('settleOperators', keys)) !== null,
    addNote: (note) => driver.write('addNote', { note, notesMax: limits.notesPerResponseMax }),
    listNotes: async (workspace, responseId) => (await driver.read('listNotes', { workspace, responseId })).map(toNote),
  }
}
