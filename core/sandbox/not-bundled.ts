/** A plugin whose files make no bundle, with every mistake where it is. */
import { HubError } from '../errors.ts'

/** One mistake in a file of the plugin. Line and column count from 1. */
export interface SourceMistake {
  /** Absolute. */
  readonly file: string
  readonly line: number
  readonly column: number
  readonly text: string
  /** The line itself. */
  readonly lineText: string
}

export class NotBundled extends HubError {
  /** Empty: what is wrong is in no place of a file. */
  readonly mistakes: readonly SourceMistake[]

  constructor(
    message: string,
    options: ConstructorParameters<typeof HubError>[2] & { readonly mistakes?: readonly SourceMistake[] },
  ) {
    super('plugin_load', message, options)
    this.mistakes = options.mistakes ?? []
  }
}
