/** What speaks for spam in a set of answers, each with its points. Pure, and in time that grows with the text alone. */
import type { Json } from 'manifold/plugin'
import type { Config } from './types.d.ts'

export interface Finding {
  readonly what: string
  readonly points: number
}

type Answers = { readonly [key: string]: Json }

/** Nobody writes so much by hand, and looking at more would take longer than a transform may. */
const CHARS_MAX = 20_000

/** What settings say, made ready once. */
export type Look = (answers: Answers) => readonly Finding[]

/** Also of lists and objects: whatever the form lets through. */
export function lookFor({ words, domains, linksMax, points }: Config): Look {
  const wordsIn = finder(words)
  const domainsIn = finder(domains)
  return (answers) => {
    const given = textsIn(answers).join('\n')
    // Made comparable, one character may be eighteen.
    const text = given.length > CHARS_MAX ? given : plain(given)
    if (text.length > CHARS_MAX) return [{ what: `is too long to judge: more than ${CHARS_MAX} characters`, points }]
    const links = text.match(/https?:\/\/|\bwww\./g)?.length ?? 0
    return [
      ...wordsIn(text, () => true).map((word) => ({ what: `says "${word}"`, points: 2 })),
      ...domainsIn(text, isWhole).map((domain) => ({ what: `names ${domain}`, points: 4 })),
      ...(links > linksMax ? [{ what: `has ${links} links`, points: links - linksMax }] : []),
      // Machines fill in everything with one and the same.
      ...(isRepeated(answers) ? [{ what: 'says the same everywhere', points: 2 }] : []),
    ]
  }
}

const plain = (text: string): string => text.normalize('NFKC').toLowerCase()

type IsMeant = (text: string, at: number, chars: number) => boolean

/** The letters that may come next, and the name that ends here. */
interface Letter {
  readonly next: Map<string, Letter>
  name?: string
}

/** Finds which of the names are in a text where they are meant; in one pass, however many there are. */
function finder(names: readonly string[]): (text: string, isMeant: IsMeant) => readonly string[] {
  const first: Letter = { next: new Map() }
  for (const name of names) {
    let last = first
    for (const char of plain(name).split('')) {
      const next = last.next.get(char) ?? { next: new Map() }
      last.next.set(char, next)
      last = next
    }
    last.name ??= name
  }
  return (text, isMeant) => {
    const found = new Set<string>()
    for (let from = 0; from < text.length; from++) {
      let letter = first.next.get(text[from] as string)
      for (let to = from + 1; letter !== undefined; to++) {
        const { name, next } = letter
        if (name !== undefined && !found.has(name) && isMeant(text, from, to - from)) found.add(name)
        letter = next.get(text[to] ?? '')
      }
    }
    return names.filter((name) => found.has(name))
  }
}

/** `evil.example` and what is below it; not `devil.example`, nor `evil.example.org`. */
function isWhole(text: string, at: number, chars: number): boolean {
  const after = text.slice(at + chars, at + chars + 2)
  return !/[a-z0-9-]/.test(text[at - 1] ?? '') && !/^\.?[a-z0-9-]/.test(after)
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
