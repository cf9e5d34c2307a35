/** `manifold plugin new`: a folder that works at once, with a test of its own. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { discoverPlugins, rootsOf } from '../registry/discover.ts'
import type { Run } from './call.ts'
import { textOption } from './call.ts'
import { CliError } from './exit-codes.ts'
import { pluginFiles } from './plugin-template.ts'

export const run: Run = async ({ terminal, options, args, env }) => {
  const [id = ''] = args
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(id))
    throw new CliError(
      'usage',
      `"${id}" cannot be a plugin's id.`,
      'use lower-case letters, digits and "-", starting with a letter',
    )
  const { found } = await discoverPlugins(rootsOf([]))
  const taken = found.find(({ manifest }) => manifest.id === id)
  if (taken)
    throw new CliError(
      'failed',
      `The id "${id}" is taken by ${taken.dir}; the hub would leave yours out.`,
      'choose another id',
    )
  const parent = resolve(textOption({ terminal, options, args, env }, 'dir') ?? 'my-plugins')
  const dir = join(parent, id)
  if (existsSync(dir)) throw new CliError('failed', `${dir} exists.`, 'choose another id or --dir')
  await mkdir(dir, { recursive: true })
  const hub = relative(dir, fileURLToPath(new URL('../..', import.meta.url)))
    .split(sep)
    .join('/')
  const files = pluginFiles(id, hub)
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
  const shown = relative(process.cwd(), dir) || dir
  terminal.say(`Made ${shown}: ${Object.keys(files).join(', ')}`)
  terminal.say(`Next: manifold plugin test ${shown}`)
  terminal.say(
    `Then, in manifold.yaml:\n\n  pluginDirs: [${relative(process.cwd(), parent) || '.'}]\n  installations:\n    - { id: ${id}, use: ${id}, with: { url: "https://receiver.example/hook" } }\n`,
  )
  terminal.say('And: manifold dev    runs it, and loads it again at every save')
}
