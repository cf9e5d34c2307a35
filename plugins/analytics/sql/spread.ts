/**
 * What makes much out of one value: casts to lists and bits, JSON paths to many places, times in a format as long as a text. The
 * engine makes it for thousands of rows at once, outside the memory it counts, and nothing stops it within one step.
 */
import { isTree, lower } from './tree.ts'

const words = (text: string): ReadonlySet<unknown> => new Set(text.trim().split(/\s+/))

/** Each is about as long as what it is made of. */
const CASTS: ReadonlySet<unknown> = new Set([
  ...words(`BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT DOUBLE DECIMAL
    DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS INTERVAL UUID VARCHAR JSON VARIANT`),
  'TIME WITH TIME ZONE',
  'TIMESTAMP WITH TIME ZONE',
])
const TAKES_LAMBDA = words('list_transform list_apply list_filter')
const JSON_PATHS =
  words(`json_extract json_extract_string json_extract_path json_extract_path_text json_array_length json_type
  json_exists json_value -> ->>`)
const FORMAT_CHARS_MAX = 100

type Refuse = (detail: string) => never

/** Calls `refuse` where one value may become far more than it is. */
export function checkSpread(value: unknown, refuse: Refuse, isArgument = false): void {
  if (Array.isArray(value)) return value.forEach((each) => checkSpread(each, refuse, isArgument))
  if (!isTree(value)) return
  const { class: kind, children } = value
  const name = lower(value['function_name'])
  const called = Array.isArray(children) ? (children as readonly unknown[]) : []
  if (kind === 'CAST') checkCast(value['cast_type'], refuse)
  // An arrow anywhere else is that of JSON.
  if (kind === 'LAMBDA' && !isArgument) checkPath(value['expr'], refuse)
  if (kind === 'FUNCTION' && JSON_PATHS.has(name)) called.slice(1).forEach((path) => checkPath(path, refuse))
  if (name === 'strftime' && !called.some((part) => (textIn(part)?.length ?? Infinity) <= FORMAT_CHARS_MAX))
    refuse(`calls strftime() with a format that is not written there, or longer than ${FORMAT_CHARS_MAX} characters`)
  for (const [part, each] of Object.entries(value))
    checkSpread(each, refuse, part === 'children' && TAKES_LAMBDA.has(name))
}

function checkCast(type: unknown, refuse: Refuse): void {
  const { id, type_info: info } = isTree(type) ? type : {}
  const name = id === 'UNBOUND' && isTree(info) ? String(info['name']).toUpperCase() : id
  if (!CASTS.has(name)) refuse(`casts to ${String(name).slice(0, FORMAT_CHARS_MAX)}, which cannot be used here`)
}

function checkPath(path: unknown, refuse: Refuse): void {
  const isPlace = isTree(path) && path['class'] === 'CONSTANT' && !(textIn(path) ?? '').includes('*')
  if (!isPlace) refuse('takes a JSON path that is not written there, or leads to many places (*)')
}

function textIn(value: unknown): string | null {
  const constant = isTree(value) && value['class'] === 'CONSTANT' && isTree(value['value']) ? value['value'] : null
  return typeof constant?.['value'] === 'string' ? constant['value'] : null
}
