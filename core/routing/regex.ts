/** Regular expressions that admins write, run by RE2: time grows linearly with the text, whatever the pattern. */
import { RE2JS } from 're2js'
import type { Limits } from '../limits.ts'

export type RegexLimits = Pick<Limits, 'filterRegexCharsMax' | 'filterRegexSubjectCharsMax'>

export interface CompiledRegex {
  /** Searches anywhere in the text, of which only the first `filterRegexSubjectCharsMax` characters are looked at. */
  readonly test: (text: string) => boolean
}

const FLAGS: ReadonlyMap<string, number> = new Map([
  ['i', RE2JS.CASE_INSENSITIVE],
  ['m', RE2JS.MULTILINE],
  ['s', RE2JS.DOTALL],
])

/** Compiled programs larger than this would be slow for every text, though still linear. */
const PROGRAM_SIZE_MAX = 500

/** The compiled pattern, or what is wrong with it. */
export function compileRegex(pattern: unknown, options: unknown, limits: RegexLimits): CompiledRegex | string {
  if (typeof pattern !== 'string') return '"$regex" takes a string.'
  if (pattern.length > limits.filterRegexCharsMax)
    return `The pattern is longer than ${limits.filterRegexCharsMax} characters.`
  if (options !== undefined && typeof options !== 'string')
    return '"$options" takes a string of the letters i, m and s.'
  let flags = 0
  for (const letter of options ?? '') {
    const flag = FLAGS.get(letter)
    if (flag === undefined) return `"$options" knows the letters i, m and s, not "${letter}".`
    flags |= flag
  }
  const compiled = compileRe2(pattern, flags)
  if (typeof compiled === 'string') return compiled
  if (compiled.programSize() > PROGRAM_SIZE_MAX)
    return 'The pattern is too complex: its repetitions multiply. Use smaller counts.'
  const charsMax = limits.filterRegexSubjectCharsMax
  return { test: (text) => compiled.test(text.length > charsMax ? text.slice(0, charsMax) : text) }
}

function compileRe2(pattern: string, flags: number): RE2JS | string {
  try {
    return RE2JS.compile(pattern, flags)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return `The pattern is not valid RE2 syntax (no look-around, no back-references): ${detail}`
  }
}
