/** From where a hub takes its configuration, and everything it leads to. */
import { existsSync } from 'node:fs'
import type { Authoring } from './authoring.ts'
import type { ConfigProblem, Settings } from './config/config.ts'
import type { Environment } from './config/settings.ts'
import { assemble } from './registry/assemble.ts'
import type { Assembly } from './registry/assemble.ts'

export interface Source {
  /** Null: there is none. It may be one that is still to come. */
  readonly file: string | null
  /** What variables in it stand for. */
  readonly env: Environment
  /** `previous`: what runs now; null at the start. */
  load(previous: Assembly | null, nowMs: number): Promise<Assembly | { readonly problems: readonly ConfigProblem[] }>
}

export interface SourceInput {
  readonly settings: Pick<Settings, 'configFile' | 'dataDir' | 'production'>
  readonly env: Environment
  /** Stands in for a file. */
  readonly configText?: string | undefined
  readonly authoring?: Pick<Authoring, 'fileToCome'> | undefined
}

/** Reads nothing yet. */
export function openSource({ settings, env, configText, authoring }: SourceInput): Source {
  const { configFile, dataDir, production } = settings
  const file = configText === undefined ? (configFile ?? authoring?.fileToCome ?? null) : null
  // One that is still to come counts from when it is there; one that was there and goes is a mistake.
  let wasThere = configFile !== null
  return {
    file,
    env,
    load: (previous, nowMs) =>
      assemble({
        file: file !== null && (wasThere ||= existsSync(file)) ? file : null,
        env,
        dataDir,
        pinned: production,
        ...(configText === undefined ? {} : { text: configText }),
        previous,
        behind: previous !== null,
        nowMs,
      }),
  }
}
