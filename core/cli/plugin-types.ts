/** `manifold plugin types`: writes what a plugin's manifest says as TypeScript, or checks that it is up to date. */
import { readFile, realpath, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pluginTypes, TYPES_FILE } from '../registry/plugin-types.ts'
import { readManifest } from '../registry/read-manifest.ts'
import type { Run } from './call.ts'
import { CliError } from './exit-codes.ts'

export const run: Run = async ({ args, options, terminal }) => {
  const [folder = '.'] = args
  const dir = await realpath(resolve(folder)).catch(() => {
    throw new CliError('failed', `There is no folder ${folder}.`)
  })
  const read = await readManifest(dir)
  if ('problems' in read) throw new CliError('failed', read.problems.join('\n'))
  const file = join(dir, TYPES_FILE)
  const wanted = pluginTypes(read.manifest)
  const found = await readFile(file, 'utf8').catch(() => null)
  if (found === wanted) return terminal.say(`${file} is up to date.`)
  if (options['check'] === true) {
    const what = found === null ? 'is missing' : 'is not what plugin.json says'
    throw new CliError('failed', `${file} ${what}.`, `manifold plugin types ${folder}`)
  }
  await writeFile(file, wanted)
  terminal.say(`Wrote ${file}.`)
}
