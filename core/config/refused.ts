/** Why a hub did not start: its configuration. */
import type { ConfigProblem } from './config.ts'

/** Thrown by `startHub` when the configuration is refused. */
export class ConfigRefused extends Error {
  readonly problems: readonly ConfigProblem[]
  constructor(problems: readonly ConfigProblem[]) {
    super('The configuration is not valid.')
    this.problems = problems
  }
}
