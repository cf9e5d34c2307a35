/** Answers the guest's pure questions: parse a URL, give random bytes, hash, sign with a key that the guest itself holds. */
import { randomBytes } from 'node:crypto'
import { answerKeyQuestion, isKeyQuestion } from './key-questions.ts'

const QUESTION_CHARS_MAX = 262_144
/** Of a question about bytes, which come as base64: a little more than the body of one request. */
const BYTES_QUESTION_CHARS_MAX = 1_500_000
const BYTES_QUESTION = '{"op":"key-'
const RANDOM_BYTES_MAX = 65_536

/** JSON in, JSON out, `''` for no answer. Never throws: a host error would show host paths in the guest's stack. */
export function answerQuestion(question: unknown): string {
  try {
    if (typeof question !== 'string') return ''
    const charsMax = question.startsWith(BYTES_QUESTION) ? BYTES_QUESTION_CHARS_MAX : QUESTION_CHARS_MAX
    if (question.length > charsMax) return ''
    const asked = JSON.parse(question) as { readonly [name: string]: unknown }
    if (asked['op'] === 'random') return JSON.stringify(random(asked['bytes']))
    if (asked['op'] === 'url') return url(asked)
    return isKeyQuestion(asked) ? JSON.stringify(answerKeyQuestion(asked)) : ''
  } catch {
    return ''
  }
}

const random = (bytes: unknown): string =>
  randomBytes(Math.min(Math.max(0, Number(bytes) || 0), RANDOM_BYTES_MAX)).toString('hex')

function url(asked: { readonly [name: string]: unknown }): string {
  if (typeof asked['input'] !== 'string') return ''
  const parsed = typeof asked['base'] === 'string' ? new URL(asked['input'], asked['base']) : new URL(asked['input'])
  if (typeof asked['set'] === 'string' && SETTABLE.has(asked['set']))
    Object.assign(parsed, { [asked['set']]: String(asked['value']) })
  const { href, origin, protocol, username, password, host, hostname, port, pathname, search, hash } = parsed
  return JSON.stringify({ href, origin, protocol, username, password, host, hostname, port, pathname, search, hash })
}

const SETTABLE = new Set([
  'href',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'hash',
])
