/** Fields that a question names, wherever it does. */
import type { Question } from './question.ts'

export function fieldsOf({ groupBy, aggregates, filter }: Question): ReadonlySet<string> {
  const named = new Set(groupBy.map(({ field }) => field))
  for (const [, { field, filter: only }] of aggregates) {
    if (field !== undefined) named.add(field)
    collect(only, named)
  }
  collect(filter, named)
  return named
}

/** Keys of a filter that are no operators, and those of the filters in it. */
function collect(filter: unknown, named: Set<string>): void {
  if (typeof filter !== 'object' || filter === null) return
  for (const [key, value] of Object.entries(filter)) {
    if (!key.startsWith('$')) named.add(key)
    else if (Array.isArray(value)) for (const each of value) collect(each, named)
  }
}
