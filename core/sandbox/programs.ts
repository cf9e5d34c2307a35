/** The two programs that leave this process: the script that every isolate runs first, and the child that holds isolates. */
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { PluginBuild } from 'esbuild'
import { withBundler } from './bundler.ts'
import { cachedProgram } from './program-cache.ts'
import { GUEST_FILE, GUEST_SPLIT } from './protocol.ts'

let made: Promise<string> | undefined

/** The guest's scripts, with GUEST_SPLIT between: the completion value of the first is its `boot` function. */
export function guestCode(): Promise<string> {
  made ??= cachedProgram({ name: 'guest', make })
  return made
}

/** Two scripts: the second is handed out when the guest asks for it (guest/lazy-web.ts). */
async function make(): Promise<string> {
  const main = await script(new URL('./guest/main.ts', import.meta.url), 'return guest.boot')
  const web = await script(new URL('./guest/web.ts', import.meta.url), 'return guest')
  return `${main}${GUEST_SPLIT}${web}//# sourceURL=${GUEST_FILE}`
}

/** A script whose completion value is what `answer` returns of its module. */
async function script(entry: URL, answer: string): Promise<string> {
  const result = await withBundler((esbuild) =>
    esbuild.build({
      entryPoints: [fileURLToPath(entry)],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'guest',
      banner: { js: '(() => {' },
      footer: { js: `${answer}\n})()` },
      platform: 'neutral',
      target: 'es2024',
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'none',
      logLevel: 'silent',
      tsconfigRaw: '{}',
    }),
  )
  const [file] = result.outputFiles
  if (file === undefined) throw new Error('The guest code came out empty')
  return file.text
}

let madeChild: Promise<string> | undefined

/**
 * The child's program as one module. It goes in through stdin: a child that neither finds nor strips files starts in
 * half the time, and needs no right to read the hub's code.
 */
export function childCode(): Promise<string> {
  madeChild ??= cachedProgram({ name: 'child', make: makeChild })
  return madeChild
}

async function makeChild(): Promise<string> {
  const library = pathToFileURL(createRequire(import.meta.url).resolve('isolated-vm')).href
  const result = await withBundler((esbuild) =>
    esbuild.build({
      entryPoints: [fileURLToPath(new URL('./child.ts', import.meta.url))],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      plugins: [
        {
          name: 'native-library',
          // By its real place, so that the child needs to look for nothing.
          setup: (hook: PluginBuild) =>
            hook.onResolve({ filter: /^isolated-vm$/ }, () => ({ path: library, external: true })),
        },
      ],
      legalComments: 'none',
      logLevel: 'silent',
      tsconfigRaw: '{}',
    }),
  )
  const [file] = result.outputFiles
  if (file === undefined) throw new Error('The program of the sandbox child came out empty')
  return file.text
}
