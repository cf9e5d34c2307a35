/** A hub as whoever starts it sees it. */
import type { Authoring } from './authoring.ts'
import type { Settings } from './config/config.ts'
import type { Environment } from './config/settings.ts'

export interface HubOptions {
  readonly settings: Settings
  readonly env: Environment
  /** Configuration text that stands in for a file: the demo's. */
  readonly configText?: string
  readonly authoring?: Authoring
}

export interface RunningHub {
  readonly url: string
  /** Made at the first start of this data folder and never shown again; null afterwards, or when the environment set one. */
  readonly newAdminKey: string | null
  /** Of this process only, all scopes; also in `<data>/hub.json` for the CLI. */
  readonly operatorKey: string
  /** Reads the configuration file again (SIGHUP). */
  reload(): void
  /** Not ready any more, takes nothing new, finishes or releases what runs, closes. */
  stop(): Promise<void>
  /** Resolves when the hub cannot go on: the process should end with a failure. */
  readonly failed: Promise<Error>
}
