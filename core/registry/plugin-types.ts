/** The `types.d.ts` of a plugin: what its manifest says, for the compiler and the editor. */
import type { Manifest } from './manifest.ts'
import { keyText, quoted, schemaType, union } from './schema-type.ts'

/** Beside plugin.json. */
export const TYPES_FILE = 'types.d.ts'

/** The whole text of the file; the same manifest gives the same text. */
export function pluginTypes(manifest: Manifest): string {
  const config = typeText(manifest.config, { secret: 'SecretRef', filled: true })
  const settings = typeText(manifest.config, { secret: 'string', filled: false })
  const plugin = [
    'export interface Plugin {',
    '  readonly config: Config',
    section('on', handledTypes(manifest)),
    section('actions', actionTypes(manifest)),
    `  readonly schedules: ${union(Object.keys(manifest.schedules).map(quoted))}`,
    `  readonly routes: ${union(Object.keys(manifest.routes).map(quoted))}`,
    ...transformType(manifest),
    ...(manifest.check ? ['  readonly check: true'] : []),
    '}',
  ].join('\n')
  const named = `${config}\n${settings}\n${plugin}`
  const imports = ['Json', 'SecretRef'].filter((name) => new RegExp(`(?<![.\\w])${name}\\b`).test(withoutTexts(named)))
  return `${[
    '/** Made from plugin.json by `manifold plugin types`; changes are made there. */',
    ...(imports.length === 0 ? [] : [`import type { ${imports.join(', ')} } from 'manifold/plugin'`]),
    '',
    '/** The settings as the code sees them: defaults filled in, secrets sealed. */',
    `export ${declared('Config', config)}`,
    '',
    '/** The settings as an admin writes them. */',
    `export ${declared('Settings', settings)}`,
    '',
    '/** For `definePlugin<Plugin>`. */',
    plugin,
  ].join('\n')}\n`
}

/** Settings are always a mapping; a schema that does not say so is one of any settings. */
function typeText(schema: Manifest['config'], options: Parameters<typeof schemaType>[1]): string {
  const text = schemaType(schema, options)
  return text === 'Json' ? '{ readonly [name: string]: Json }' : text
}

/** An interface where it is one object; the rest is a type. */
const declared = (name: string, type: string): string =>
  type.startsWith('{') && type.endsWith('}') && !/\} [&|]/.test(type)
    ? `interface ${name} ${type}`
    : `type ${name} = ${type}`

function section(name: string, entries: readonly string[]): string {
  if (entries.length === 0) return `  readonly ${name}: {}`
  return `  readonly ${name}: {\n${entries.map((entry) => `    ${entry}`).join('\n')}\n  }`
}

const handledTypes = ({ on }: Manifest): readonly string[] =>
  Object.entries(on)
    .filter(([, { enqueue }]) => enqueue === undefined)
    .map(([type, { data }]) => `readonly ${keyText(type)}: ${union(data.map(quoted))}`)

const actionTypes = ({ actions }: Manifest): readonly string[] =>
  Object.entries(actions).map(([name, { input, data = [] }]) => {
    const type = input === undefined ? 'Json' : schemaType(input, { secret: 'string', filled: false })
    const shown = type.replaceAll('\n', '\n    ')
    return `readonly ${keyText(name)}: { readonly input: ${shown}; readonly data: ${union(data.map(quoted))} }`
  })

/** Left out where there is none, as in the manifest. */
function transformType({ transform }: Manifest): readonly string[] {
  if (transform === undefined) return []
  const { data, headers } = transform
  return [
    `  readonly transform: { readonly data: ${union(data.map(quoted))}; readonly headers: ${union(headers.map(quoted))} }`,
  ]
}

/** Comments and literals may say anything. */
const withoutTexts = (text: string): string => text.replaceAll(/\/\*\*.*?\*\/|'(?:[^'\\]|\\.)*'/g, '')
