/** The two programs that leave this process: the script that every isolate runs first, and the child that holds isolates. */
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { PluginBuild } from 'esbuild'
import { withBundler } from './bundler.ts'
import { cachedProgram } from './program-cache.ts'

let made: Promise<string> | undefined

/** Script text whose completion value is the guest's `boot` function. */
export function guestCode(): Promise<string> {
  made ??= cachedProgram('guest', make)
  return made
}

async function make(): Promise<string> {
  const result = await withBundler((esbuild) =>
    esbuild.build({
      entryPoints: [fileURLToPath(new URL('./guest/main.ts', import.meta.url))],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'guest',
      banner: { js: '(() => {' },
      footer: { js: 'return guest.boot\n})()' },
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
  madeChild ??= cachedProgram('child', makeChild)
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
