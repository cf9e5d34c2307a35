/** esbuild, loaded when something has to be bundled and sent away afterwards: its service is a process of 17 MB. */

import type * as Esbuild from 'esbuild'

const IDLE_MS = 1_000

let users = 0

/** Lends esbuild for one piece of work. Nobody else may stop it: a build that runs then never ends. */
export async function withBundler<Result>(work: (esbuild: typeof Esbuild) => Promise<Result>): Promise<Result> {
  users += 1
  const esbuild = await import('esbuild')
  try {
    return await work(esbuild)
  } finally {
    users -= 1
    // Somebody else may come right after: plugins are bundled one behind the other.
    setTimeout(() => {
      if (users === 0) void esbuild.stop()
    }, IDLE_MS).unref()
  }
}
