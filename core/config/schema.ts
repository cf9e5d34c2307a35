/** The JSON Schema editors use for `manifold.yaml`: the file's own shape, and for each plugin the settings its manifest names. */
import { z } from 'zod'
import { fileSchema } from './file-schema.ts'

type Schema = Record<string, unknown>

/** What the schema needs of a plugin. */
export interface SchemaPlugin {
  readonly id: string
  readonly name: string
  readonly description?: string | undefined
  readonly config: Readonly<Record<string, unknown>>
}

/** Draft 7, which every YAML language server reads. */
export function editorSchema(plugins: readonly SchemaPlugin[]): Schema {
  const schema = allowVariables(z.toJSONSchema(fileSchema, { target: 'draft-7', io: 'input' })) as Schema
  const installation = at(schema, ['properties', 'installations', 'items'])
  const use = at(installation, ['properties', 'use'])
  if (plugins.length > 0) {
    use['enum'] = plugins.map((plugin) => plugin.id)
    installation['allOf'] = plugins.map((plugin) => ({
      if: { properties: { use: { const: plugin.id } }, required: ['use'] },
      // oxlint-disable-next-line unicorn/no-thenable -- a JSON Schema keyword
      then: {
        properties: {
          with: {
            title: plugin.name,
            ...(plugin.description ? { description: plugin.description } : {}),
            ...(allowVariables(plugin.config) as Schema),
          },
        },
        ...(Array.isArray(plugin.config['required']) && plugin.config['required'].length > 0
          ? { required: ['with'] }
          : {}),
      },
    }))
  }
  return { ...schema, title: 'Manifold configuration' }
}

const at = (schema: Schema, path: readonly string[]): Schema =>
  path.reduce<Schema>((inner, key) => inner[key] as Schema, schema)

/** Where a number or boolean belongs, `${VAR}` may stand; where text has a pattern or choices, too. */
function allowVariables(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(allowVariables)
  if (node === null || typeof node !== 'object') return node
  const schema = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, isData(key) ? value : allowVariables(value)]),
  )
  const { type } = schema
  const strict =
    type === 'number' ||
    type === 'integer' ||
    type === 'boolean' ||
    (type === 'string' && ('pattern' in schema || 'enum' in schema || 'format' in schema))
  if (!strict) return schema
  const { title, description, default: fallback, ...rest } = schema
  return {
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, { type: 'string', pattern: '\\$\\{' }],
  }
}

const isData = (key: string): boolean =>
  key === 'enum' || key === 'const' || key === 'default' || key === 'examples' || key === 'required'
