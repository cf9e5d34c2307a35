/** What was answered, as people look for it: a text that SQL may find in the JSON of answers, and the answers themselves. */
import type { ResponseQuery } from './queries.ts'
import { holds, likeText, lowerAscii } from './where.ts'
import type { Condition } from './where.ts'

type Looked = Pick<ResponseQuery, 'answer' | 'text'>

/** That the JSON of answers may hold what is looked for; undefined where nothing is. It lets too much through, never too little. */
export function holdsAnswers({ answer, text }: Looked): Condition {
  const each = [
    ...(answer === undefined ? [] : [textsOf(answer.value)]),
    ...(text === undefined ? [] : wordsOf(text).map(casesOf)),
  ]
  if (each.length === 0) return undefined
  const sql = each.map((texts) => `(${texts.map(() => holds('data')).join(' OR ')})`).join(' AND ')
  return [sql, ...each.flat().map(likeText)]
}

/** That these answers, as JSON, are what is looked for. */
export function answeredLike(data: string, { answer, text }: Looked): boolean {
  const answers = JSON.parse(data) as Readonly<Record<string, unknown>>
  if (answer !== undefined && !(Object.hasOwn(answers, answer.field) && isSame(answers[answer.field], answer.value)))
    return false
  return text === undefined || wordsOf(text).every((word) => holdsWord(answers, word.toLowerCase()))
}

/** How the value may stand in the JSON of answers. */
function textsOf(value: string): readonly string[] {
  const number = numberIn(value)
  return [...new Set([inJson(value), ...(number === null ? [] : [inJson(number)])])]
}

const inJson = (value: string | number): string =>
  typeof value === 'number' ? JSON.stringify(value) : JSON.stringify(value).slice(1, -1)

function numberIn(text: string): number | null {
  const number = Number(text)
  return text.trim() === '' || !Number.isFinite(number) ? null : number
}

/** One of several choices, or the link or name of a file, is as good as the whole answer. */
function isSame(answer: unknown, value: string): boolean {
  if (typeof answer === 'number') return answer === numberIn(value)
  if (Array.isArray(answer)) return answer.some((each) => isSame(each, value))
  if (typeof answer === 'object' && answer !== null) return Object.values(answer).some((part) => isSame(part, value))
  if (typeof answer === 'boolean') return String(answer) === lowerAscii(value)
  return typeof answer === 'string' && lowerAscii(answer) === lowerAscii(value)
}

const wordsOf = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '')

/** The databases know the case of ASCII letters only; of others these are the spellings there are. */
function casesOf(word: string): readonly string[] {
  const lower = word.toLowerCase()
  const [head = '', ...rest] = lower
  const cases = [word, lower, lower.toUpperCase(), head.toUpperCase() + rest.join('')]
  return [...new Set(cases.map((each) => lowerAscii(inJson(each))))]
}

/** Keys are the form's words, not answers. */
function holdsWord(answer: unknown, lower: string): boolean {
  if (typeof answer === 'object' && answer !== null) return Object.values(answer).some((part) => holdsWord(part, lower))
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
  return answer !== null && text.toLowerCase().includes(lower)
}
