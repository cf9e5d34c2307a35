/** What speaks for spam in a set of answers, each with its points. Pure. */
import type { Json } from 'manifold/plugin'
import type { Config } from './types.d.ts'

export interface Finding {
  readonly what: string
  readonly points: number
}

type Answers = { readonly [key: string]: Json }

/** Also of lists and objects: whatever the form lets through. */
export function pointsOf(answers: Answers, { words, domains, linksMax }: Config): readonly Finding[] {
  const text = textsIn(answers).join('\n').normalize('NFKC').toLowerCase()
  const links = text.match(/https?:\/\/|\bwww\./g)?.length ?? 0
  return [
    ...words.filter((word) => text.includes(word.toLowerCase())).map((word) => ({ what: `says "${word}"`, points: 2 })),
    ...domains
      .filter((domain) => names(text, domain.toLowerCase()))
      .map((domain) => ({ what: `names ${domain}`, points: 4 })),
    ...(links > linksMax ? [{ what: `has ${links} links`, points: links - linksMax }] : []),
    // Machines fill in everything with one and the same.
    ...(isRepeated(answers) ? [{ what: 'says the same everywhere', points: 2 }] : []),
  ]
}

/** `evil.example` and what is below it; not `devil.example`, nor `evil.example.org`. */
function names(text: string, domain: string): boolean {
  for (let at = text.indexOf(domain); at >= 0; at = text.indexOf(domain, at + 1)) {
    const after = text.slice(at + domain.length, at + domain.length + 2)
    if (!/[a-z0-9-]/.test(text[at - 1] ?? '') && !/^\.?[a-z0-9-]/.test(after)) return true
  }
  return false
}

const SAME_MIN = 3

function isRepeated(answers: Answers): boolean {
  const texts = Object.values(answers).filter((answer) => typeof answer === 'string' && answer !== '')
  return texts.length >= SAME_MIN && new Set(texts).size === 1
}

const textsIn = (value: Json): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value as Answers).flatMap(textsIn)
      : []
