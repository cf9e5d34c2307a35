/** From a file that has passed its checks to the HubConfig the hub runs on: defaults filled in, frozen. */
import type { FormDefinition } from '../model.ts'
import type { Limits } from '../limits.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import { LIMITS } from '../limits.ts'
import type { ConfigProblem, FormConfig, HubConfig, InstallationConfig, TokenIssuer } from './config.ts'
import type { ConfigTree } from './document.ts'
import { parseDurationMs, parseRatePerSecond } from './durations.ts'
import type { FileConfig, FileInstallation, FileTokenIssuer } from './file-schema.ts'
import { eventSettings } from './event-settings.ts'
import { mailSettings } from './mail-settings.ts'
import { presetDelaysMs } from './retry-presets.ts'

export interface BuildInput {
  readonly tree: ConfigTree
  readonly data: FileConfig
  readonly file: string | null
  readonly checksum: string
  readonly text: string
  readonly pluginDirs: readonly string[]
  /** Forms that were read without a mistake, by id. */
  readonly definitions: ReadonlyMap<string, FormDefinition>
  /** Problems of single installations, by index. */
  readonly aside: ReadonlyMap<number, readonly ConfigProblem[]>
}

/** Nothing can go wrong any more: every value was checked. */
export function buildConfig({
  tree,
  data,
  file,
  checksum,
  text,
  pluginDirs,
  definitions,
  aside,
}: BuildInput): HubConfig {
  const entries = [...(data.installations ?? []).entries()]
  return deepFreeze({
    checksum,
    file,
    text,
    forms: Object.entries(data.forms ?? {}).map(([id, form]): FormConfig => ({
      workspace: form.workspace ?? DEFAULT_WORKSPACE,
      id,
      definition: definitions.get(id) as FormDefinition,
      place: tree.keyPlaceOf(['forms', id]),
    })),
    installations: entries
      .filter(([index]) => !aside.has(index))
      .map(([index, item]) => toInstallation(tree, index, item)),
    pluginDirs: [...pluginDirs],
    network: { allow: data.network?.allow ?? [] },
    auth: { jwt: (data.auth?.jwt ?? []).map(toIssuer) },
    events: eventSettings(data.events),
    email: data.email === undefined ? null : mailSettings(data.email),
    sandbox: { hardened: data.sandbox?.hardened ?? [] },
    limits: { ...LIMITS, ...withoutUndefined(data.limits ?? {}) } as Limits,
    quarantined: entries.flatMap(([index, item]) => {
      const problems = aside.get(index)
      if (problems === undefined) return []
      const { workspace = DEFAULT_WORKSPACE, id, use, whenFails } = item
      return [{ workspace, id, use, problems, form: item.when?.form, whenFails }]
    }),
  })
}

function toInstallation(tree: ConfigTree, index: number, item: FileInstallation): InstallationConfig {
  const when = item.when ?? {}
  return {
    workspace: item.workspace ?? DEFAULT_WORKSPACE,
    id: item.id,
    use: item.use,
    with: item.with ?? {},
    when: withoutUndefined({ form: when.form, event: when.event, filter: when.filter }) as InstallationConfig['when'],
    retry: { delaysMs: toDelays(item.retry) },
    concurrency: item.concurrency ?? null,
    ratePerSecond: item.rate === undefined ? null : (parseRatePerSecond(item.rate) ?? null),
    order: item.order ?? 'none',
    ambiguous: item.ambiguous ?? 'retry',
    paused: item.paused ?? false,
    from:
      item.from === undefined || item.from === 'beginning' ? (item.from ?? null) : new Date(item.from).toISOString(),
    pii: item.pii ?? false,
    ...(item.whenFails === undefined ? {} : { whenFails: item.whenFails }),
    ...(item.isolation === undefined ? {} : { isolation: item.isolation }),
    ...(item.hardened === undefined ? {} : { hardened: item.hardened }),
    place: tree.placeOf(['installations', index]),
  }
}

function toIssuer({ workspace, issuer, audience, scopes, jwks, publicKey, secret }: FileTokenIssuer): TokenIssuer {
  const keys: TokenIssuer['keys'] =
    jwks !== undefined
      ? { kind: 'jwks', url: jwks }
      : publicKey !== undefined
        ? { kind: 'public', pem: publicKey }
        : { kind: 'secret', text: secret ?? '' }
  return { workspace: workspace ?? DEFAULT_WORKSPACE, issuer, audience, keys, scopes }
}

function toDelays(retry: FileInstallation['retry']): readonly number[] {
  if (retry === undefined) return presetDelaysMs('default')
  if (typeof retry === 'string') return presetDelaysMs(retry)
  if (retry.preset !== undefined) return presetDelaysMs(retry.preset)
  return (retry.schedule ?? []).map((text) => parseDurationMs(text) as number)
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as Partial<T>
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
