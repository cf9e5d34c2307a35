/** TypeScript for browsers as small JavaScript. */
import { fileURLToPath } from 'node:url'
import { withBundler } from './bundler.ts'

/** Of a file and what it imports; its names stay its own. */
export const minify = (entry: URL): Promise<string> =>
  withBundler(async (esbuild) => {
    const { outputFiles } = await esbuild.build({
      entryPoints: [fileURLToPath(entry)],
      bundle: true,
      write: false,
      format: 'iife',
      minify: true,
      target: 'es2019',
      supported: { 'dynamic-import': true },
      legalComments: 'none',
      logLevel: 'silent',
      tsconfigRaw: '{}',
    })
    return outputFiles.map(({ text }) => text.trim()).join('')
  })
