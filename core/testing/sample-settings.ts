/** Settings that fit a manifest's schema where nobody gave any: what is required, as plain as possible. */

type Schema = Readonly<Record<string, unknown>>

const SAMPLE_URL = 'https://receiver.example/hook'
const BY_FORMAT: Readonly<Record<string, string>> = {
  uri: SAMPLE_URL,
  url: SAMPLE_URL,
  secret: 'whsec_c2VjcmV0IG9mIGEgc2FtcGxlIGluc3RhbGxhdGlvbg==',
  email: 'someone@example.com',
  'date-time': '2030-01-01T00:00:00Z',
  date: '2030-01-01',
  duration: '5m',
  hostname: 'receiver.example',
  uuid: '00000000-0000-4000-8000-000000000000',
}

/** They may still not fit: patterns and conditions are not solved. */
export const sampleSettings = (schema: Schema): Readonly<Record<string, unknown>> => objectOf(schema)

function sampleOf(node: Schema): unknown {
  if ('default' in node) return node['default']
  if (Array.isArray(node['examples']) && node['examples'].length > 0) return node['examples'][0]
  if ('const' in node) return node['const']
  if (Array.isArray(node['enum'])) return node['enum'][0]
  switch ([node['type']].flat()[0]) {
    case 'number':
    case 'integer':
      return typeof node['minimum'] === 'number' ? node['minimum'] : 1
    case 'boolean':
      return false
    case 'array':
      return typeof node['minItems'] === 'number' && node['minItems'] > 0
        ? Array.from({ length: node['minItems'] }, () => sampleOf((node['items'] ?? {}) as Schema))
        : []
    case 'object':
      return objectOf(node)
    default:
      return textOf(node)
  }
}

function textOf(node: Schema): string {
  const known = typeof node['format'] === 'string' ? BY_FORMAT[node['format']] : undefined
  const least = typeof node['minLength'] === 'number' ? node['minLength'] : 0
  return known ?? 'sample'.padEnd(least, '-')
}

function objectOf(node: Schema): Record<string, unknown> {
  const properties = (node['properties'] ?? {}) as Readonly<Record<string, Schema>>
  const required = (node['required'] ?? []) as readonly string[]
  return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name] ?? {})]))
}
