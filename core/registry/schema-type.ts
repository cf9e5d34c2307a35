/** A JSON Schema as the text of a TypeScript type. What types cannot say (patterns, bounds, conditions) is left out. */

type Schema = Readonly<Record<string, unknown>>

export interface SchemaTypeOptions {
  /** The type of a string with `format: secret`. */
  readonly secret: string
  /** Properties with a default are there whether they were given or not: what plugins see; admins may leave them out. */
  readonly filled: boolean
}

const UNKNOWN = 'Json'
const DEPTH_MAX = 16
const INDENT = '  '

/** The type of what fits the schema. `$ref` is followed inside the schema; where it goes round, the type is `Json`. */
export const schemaType = (schema: unknown, options: SchemaTypeOptions): string =>
  new SchemaType(schema, options).of(schema, 0)

class SchemaType {
  readonly #root: unknown
  readonly #options: SchemaTypeOptions
  readonly #following = new Set<string>()

  constructor(root: unknown, options: SchemaTypeOptions) {
    this.#root = root
    this.#options = options
  }

  of(node: unknown, depth: number): string {
    if (node === false) return 'never'
    if (!isSchema(node) || depth > DEPTH_MAX) return UNKNOWN
    if (typeof node['$ref'] === 'string') return this.#referred(node['$ref'], depth)
    if (Array.isArray(node['enum'])) return union(node['enum'].map(literal))
    if ('const' in node) return literal(node['const'])
    const types = [node['type'] ?? this.#impliedType(node)].flat()
    const own = types.map((type) => this.#ofType(node, type, depth)).filter((text) => text !== null)
    const branches = ['anyOf', 'oneOf'].flatMap((key) => {
      const list = node[key]
      return Array.isArray(list) && own.length === 0 ? [union(list.map((branch) => this.of(branch, depth)))] : []
    })
    const parts = Array.isArray(node['allOf']) ? node['allOf'].map((part) => this.of(part, depth)) : []
    const all = [...(own.length === 0 ? [] : [union(own)]), ...branches, ...parts].filter((text) => text !== UNKNOWN)
    return all.length === 0 ? UNKNOWN : all.map((text) => (all.length > 1 ? inBrackets(text, '|') : text)).join(' & ')
  }

  #impliedType(node: Schema): string | undefined {
    if ('properties' in node || 'additionalProperties' in node) return 'object'
    return 'items' in node || 'prefixItems' in node ? 'array' : undefined
  }

  #referred(ref: string, depth: number): string {
    if (!ref.startsWith('#') || this.#following.has(ref)) return UNKNOWN
    this.#following.add(ref)
    let node = this.#root
    for (const part of ref.split('/').slice(1))
      node = isSchema(node) ? node[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined
    const text = this.of(node, depth)
    this.#following.delete(ref)
    return text
  }

  #ofType(node: Schema, type: unknown, depth: number): string | null {
    switch (type) {
      case 'string':
        return node['format'] === 'secret' ? this.#options.secret : 'string'
      case 'number':
      case 'integer':
        return 'number'
      case 'boolean':
      case 'null':
        return type
      case 'array':
        return this.#list(node, depth)
      case 'object':
        return this.#object(node, depth)
      default:
        return null
    }
  }

  #list(node: Schema, depth: number): string {
    const { prefixItems, items } = node
    if (!Array.isArray(prefixItems)) return `readonly ${inBrackets(this.of(items ?? true, depth), '|&')}[]`
    const rest = items === false ? [] : [`...${inBrackets(this.of(items ?? true, depth), '|&')}[]`]
    return `readonly [${[...prefixItems.map((item) => this.of(item, depth)), ...rest].join(', ')}]`
  }

  #object(node: Schema, depth: number): string {
    const properties = Object.entries(isSchema(node['properties']) ? node['properties'] : {})
    const required = new Set(Array.isArray(node['required']) ? node['required'] : [])
    const others = node['additionalProperties']
    // Settings beside the known ones may be anything: an index would make every misspelt name a valid one.
    if (properties.length === 0)
      return `{ readonly [name: string]: ${others === false ? 'never' : this.of(others ?? true, depth + 1)} }`
    const indent = INDENT.repeat(depth + 1)
    const lines = properties.map(([name, property]) => {
      const isThere = required.has(name) || (this.#options.filled && isSchema(property) && 'default' in property)
      const type = this.of(property, depth + 1)
      return `${comment(property, indent)}${indent}readonly ${keyText(name)}${isThere ? '' : '?'}: ${type}`
    })
    return `{\n${lines.join('\n')}\n${INDENT.repeat(depth)}}`
  }
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function comment(property: unknown, indent: string): string {
  const text = isSchema(property) ? (property['description'] ?? property['title']) : undefined
  if (typeof text !== 'string' || text.trim() === '') return ''
  return `${indent}/** ${text.replaceAll('*/', '*\u200b/').replaceAll(/\s+/g, ' ').trim()} */\n`
}

/** A name as a property, quoted where it has to be. */
export const keyText = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name))

/** A text as a literal in single quotes. */
export const quoted = (text: string): string =>
  `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`

/** Each once; nothing to choose from is `never`. */
export const union = (types: readonly string[]): string => [...new Set(types)].join(' | ') || 'never'

const literal = (value: unknown): string =>
  typeof value === 'string' ? quoted(value) : typeof value === 'object' && value !== null ? UNKNOWN : String(value)

/** Around a type that one of these operators would fall apart without. */
const inBrackets = (text: string, operators: '|' | '|&'): string => {
  const outside = outermost(text)
  return operators.split('').some((operator) => outside.includes(` ${operator} `)) ? `(${text})` : text
}

/** Without texts, comments, and what stands in brackets of its own. */
function outermost(text: string): string {
  let left = text.replaceAll(/\/\*\*.*?\*\/|'(?:[^'\\]|\\.)*'/g, '')
  for (let before = ''; before !== left;) {
    before = left
    left = left.replaceAll(/[{([][^{}()[\]]*[\])}]/g, '')
  }
  return left
}
