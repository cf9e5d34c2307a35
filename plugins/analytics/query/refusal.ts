/** A question that cannot be asked as it is: every mistake with its JSON pointer. */
export interface Mistake {
  readonly pointer: string
  readonly detail: string
  /** Whoever asks may not, rather than nobody can. */
  readonly isDenied?: true
}

/** Told at once. */
const MISTAKES_MAX = 100

export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly mistakes: readonly Mistake[]

  constructor(mistakes: readonly Mistake[]) {
    super(mistakes.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('; '))
    this.mistakes = mistakes.slice(0, MISTAKES_MAX)
  }
}

/** `~` and `/` as RFC 6901 has them. */
export const below = (pointer: string, key: string | number): string =>
  `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
