/** What is wrong with a value, in a sentence that goes on behind the place it stands at. */
import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/** What zod says by itself is for programmers; what a schema says in its own words stays. */
const OF_ZOD = /^(?:Invalid|Too (?:small|big)|Unrecognized)\b/

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
}

const FORMATS: Readonly<Record<string, string>> = {
  url: 'must be a whole address, such as https://example.com/in',
  email: 'must be an e-mail address',
  datetime: 'must be a time with its offset, such as 2026-01-31T09:00:00Z',
  date: 'must be a day, such as 2026-01-31',
  uuid: 'must be a UUID',
}

/** The sentence, such as `must be a number`. */
export function plainIssue(issue: Issue): string {
  if (!OF_ZOD.test(issue.message)) return issue.message
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined')
        ? 'is needed'
        : `must be ${KINDS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'too_small':
      return bound(issue.origin, Number(issue.minimum), issue.inclusive === false ? 'more than' : 'at least')
    case 'too_big':
      return bound(issue.origin, Number(issue.maximum), issue.inclusive === false ? 'less than' : 'at most')
    case 'invalid_format':
      return FORMATS[issue.format] ?? issue.message
    default:
      return issue.message
  }
}

function bound(origin: string, count: number, how: string): string {
  if (origin === 'string')
    return how === 'at least' && count === 1 ? 'must not be empty' : `must have ${how} ${of(count, 'character')}`
  return origin === 'array' || origin === 'set' ? `must have ${how} ${of(count, 'item')}` : `must be ${how} ${count}`
}

const of = (count: number, one: string): string => `${count.toLocaleString('en-US')} ${one}${count === 1 ? '' : 's'}`
