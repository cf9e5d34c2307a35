/** What is wrong with a `when.filter`, with the path of the wrong part. */
import { LIMITS } from '../limits.ts'
import { compileFilter } from '../routing/filter.ts'
import type { Path } from './document.ts'

/** Empty when the filter can be compiled. */
export function checkFilter(filter: unknown): { path: Path; message: string }[] {
  const result = compileFilter(filter, LIMITS)
  if (result.ok) return []
  return result.problems.map(({ pointer, detail }) => ({
    path: pathOfPointer(pointer, filter),
    message: detail.replace(/\.$/, ''),
  }))
}

/** A JSON pointer as a path; digits are an index only where there is a list. */
export function pathOfPointer(pointer: string, root: unknown): Path {
  if (pointer === '') return []
  let value = root
  return pointer
    .slice(1)
    .split('/')
    .map((part) => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const step = Array.isArray(value) && /^\d+$/.test(key) ? Number(key) : key
      value =
        value !== null && typeof value === 'object' && Object.hasOwn(value, step)
          ? (value as Record<string | number, unknown>)[step]
          : undefined
      return step
    })
}
