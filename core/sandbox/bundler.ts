/** esbuild, loaded when something has to be bundled and sent away afterwards: its service is a process of 17 MB. */

import type * as Esbuild from 'esbuild'

const IDLE_MS = 1_000
/** A plugin's imports may be a pattern that has the service look through every folder of the machine. */
const WORK_MS_MAX = 10_000

let users = 0

/**
 * Lends esbuild for one piece of work. Nobody else may stop it: a build that runs then never ends. Rejects when the work
 * takes longer than any honest one; the service goes then, and what else it was doing fails the same way.
 */
export async function withBundler<Result>(
  work: (esbuild: typeof Esbuild) => Promise<Result>,
  msMax: number = WORK_MS_MAX,
): Promise<Result> {
  const { esbuild, giveBack } = await borrowBundler()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    void esbuild.stop()
    late.reject(new Error(`it took longer than ${msMax / 1_000} s; does an import with a pattern lead out of it?`))
  }, msMax)
  try {
    const working = work(esbuild)
    working.catch(() => undefined)
    return await Promise.race([working, late.promise])
  } finally {
    clearTimeout(timer)
    giveBack()
  }
}

/** Lends it until it is given back, once. */
export async function borrowBundler(): Promise<{ readonly esbuild: typeof Esbuild; readonly giveBack: () => void }> {
  users += 1
  try {
    const esbuild = await import('esbuild')
    return { esbuild, giveBack: () => leave(esbuild) }
  } catch (error) {
    users -= 1
    throw error
  }
}

function leave(esbuild: typeof Esbuild): void {
  users -= 1
  // Somebody else may come right after: plugins are bundled one behind the other.
  setTimeout(() => {
    if (users === 0) void esbuild.stop()
  }, IDLE_MS).unref()
}
