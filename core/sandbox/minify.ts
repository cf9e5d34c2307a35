/** TypeScript for browsers as small JavaScript. */
import { withBundler } from './bundler.ts'

/** Of one file that imports nothing; its names stay its own. */
export const minify = (source: string): Promise<string> =>
  withBundler(async (esbuild) => {
    const { code } = await esbuild.transform(source, {
      loader: 'ts',
      format: 'iife',
      minify: true,
      target: 'es2019',
      supported: { 'dynamic-import': true },
      legalComments: 'none',
    })
    return code.trim()
  })
