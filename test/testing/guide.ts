/** Reads the author's guide: every block of code in it, with what its first line says about it. */
import { readFileSync } from 'node:fs'
import { ROOT } from '../support/hub.ts'

export interface Block {
  readonly language: string
  /** `crm/index.ts` of ```` ```ts file=crm/index.ts ````; null where none is named. */
  readonly file: string | null
  readonly text: string
  readonly line: number
}

/** In order. */
export function guideBlocks(): readonly Block[] {
  const page = readFileSync(`${ROOT}core/contract/README.md`, 'utf8')
  return [...page.matchAll(/^```(\S+)(?: file=(\S+))?\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] ?? '',
    file: match[2] ?? null,
    text: match[3] ?? '',
    line: page.slice(0, match.index).split('\n').length,
  }))
}
