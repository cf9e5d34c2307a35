/** Files of the repository that are made from code, with the text they should have. */
import { readdirSync, readFileSync } from 'node:fs'
import { manifestJsonSchema, manifestSchema } from '../../core/registry/manifest.ts'
import { pluginTypes, TYPES_FILE } from '../../core/registry/plugin-types.ts'
import { ROOT } from '../support/hub.ts'

/** Path from the root, and text. */
export function madeFiles(): readonly { readonly path: string; readonly text: string }[] {
  return [
    { path: 'core/contract/plugin.schema.json', text: `${JSON.stringify(manifestJsonSchema(), null, 2)}\n` },
    ...ownManifests().map((path) => ({
      path: path.replace('plugin.json', TYPES_FILE),
      text: pluginTypes(manifestSchema.parse(JSON.parse(readFileSync(`${ROOT}${path}`, 'utf8')))),
    })),
  ]
}

/** Of the plugins that come with the hub. */
export const ownManifests = (): readonly string[] =>
  ['plugins', 'integrations'].flatMap((root) =>
    readdirSync(`${ROOT}${root}`, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${root}/${name}/plugin.json`),
  )
