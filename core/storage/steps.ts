/** The numbered steps that a backend's schema is built from: the files `NNNN-name.sql` of one folder. */
import { readdirSync } from 'node:fs'

/** Where a database stands among the steps. */
export interface MigrationStatus {
  /** 0: there is no schema yet. */
  readonly current: number
  readonly latest: number
  /** File names that the next start will run. */
  readonly pending: readonly string[]
}

/** One of them; `version` counts from 1. */
export interface Step {
  readonly version: number
  readonly name: string
}

/** Those of a folder, in their order. Files of other names are none. */
export function stepsIn(folder: URL): readonly Step[] {
  const names = readdirSync(folder).filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
  return names.sort().map((name) => ({ version: Number(name.slice(0, 4)), name }))
}

/** What is left to do for a database that has step `current`. */
export function statusAmong(steps: readonly Step[], current: number): MigrationStatus {
  const pending = steps.filter(({ version }) => version > current).map(({ name }) => name)
  return { current, latest: steps.at(-1)?.version ?? 0, pending }
}
