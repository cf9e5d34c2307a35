/** Values of the engine as JSON: numbers as numbers where they are exact, times in UTC as RFC 3339 has them. */
import { DuckDBTypeId, JsonDuckDBValueConverter } from '@duckdb/node-api'
import type { DuckDBValueConverter } from '@duckdb/node-api'
import type { Json } from 'manifold/plugin'

const WHOLE: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UHUGEINT,
])
const TIMES: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TIMESTAMP,
  DuckDBTypeId.TIMESTAMP_S,
  DuckDBTypeId.TIMESTAMP_MS,
  DuckDBTypeId.TIMESTAMP_NS,
])

export const asJson: DuckDBValueConverter<Json> = (value, type, converter) => {
  const json = JsonDuckDBValueConverter(value, type, converter as typeof JsonDuckDBValueConverter) as Json
  if (typeof json !== 'string') return json
  if (WHOLE.has(type.typeId)) return Number.isSafeInteger(Number(json)) ? Number(json) : json
  if (type.typeId === DuckDBTypeId.DECIMAL) return String(Number(json)) === json ? Number(json) : json
  // `infinity` is none.
  return TIMES.has(type.typeId) && /^\d/.test(json) ? `${json.replace(' ', 'T')}Z` : json
}
