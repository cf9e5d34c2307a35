/** The script that every isolate runs first, made once from the modules of `guest/`. */
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

let made: Promise<string> | undefined

/** Script text whose completion value is the guest's `boot` function. */
export function guestCode(): Promise<string> {
  made ??= make()
  return made
}

async function make(): Promise<string> {
  const result = await build({
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
  })
  const [file] = result.outputFiles
  if (file === undefined) throw new Error('The guest code came out empty')
  return file.text
}
