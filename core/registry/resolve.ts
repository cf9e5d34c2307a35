/** An installation of the file and its plugin become one thing that can run: settings complete, secrets apart, hosts exact. */
import { createHash } from 'node:crypto'
import { mailAddress } from '../capabilities/mail-address.ts'
import type { InstallationConfig, MailSettings } from '../config/config.ts'
import { formatPath } from '../config/document.ts'
import { mailPrint } from '../config/mail-settings.ts'
import type { Limits } from '../limits.ts'
import { compileFilter } from '../routing/filter.ts'
import type { UnitLimits } from '../sandbox/sandbox.ts'
import { hostOf } from './host-of.ts'
import type { EmailGrant, HttpGrant, Installation, LoadedPlugin, When } from './installation.ts'
import type { Manifest } from './manifest.ts'
import type { WithSchema } from './with-schema.ts'

export interface ResolveInput {
  readonly config: InstallationConfig
  readonly plugin: LoadedPlugin
  readonly schema: WithSchema
  readonly limits: Limits
  /** What e-mail goes by; null: this hub sends none. */
  readonly mail: MailSettings | null
  /** Private addresses that it may reach (CIDR): others are other settings of whatever sends. */
  readonly allow: readonly string[]
  /** Groups that the file wants hardened as a whole. */
  readonly hardenedGroups?: readonly LoadedPlugin['origin'][]
}

/** The installation, or why it cannot run, one sentence a problem. */
export function resolveInstallation(
  input: ResolveInput,
): { readonly installation: Installation } | { readonly problems: readonly string[] } {
  const { config, plugin, limits } = input
  // The file's check has told already what stands there, where it may be told.
  const wrong = input.schema.check(config.with, () => true)
  if (wrong.length > 0)
    return { problems: wrong.map((problem) => `${formatPath(['with', ...problem.path])}: ${problem.message}`) }
  const complete = input.schema.complete(config.with)
  const secrets = new Map<string, string>()
  for (const path of complete.secrets) seal(complete.value, path, secrets)
  const http = httpGrant(plugin.manifest, config.with)
  if ('problem' in http) return { problems: [http.problem] }
  const email = emailGrant(plugin.manifest, config.with, mailPrint(input.mail))
  if (email !== null && 'problem' in email) return { problems: [email.problem] }
  const when = checkWhen(config, plugin.manifest, limits)
  if ('problem' in when) return { problems: [when.problem] }
  const { transform } = plugin.manifest
  if (config.whenFails !== undefined && transform === undefined)
    return { problems: [`whenFails: the plugin "${config.use}" has no transform that could fail`] }
  const settings = {
    workspace: config.workspace,
    id: config.id,
    key: `${config.workspace}/${config.id}`,
    config: complete.value,
    retry: { delaysMs: config.retry.delaysMs },
    concurrency: config.concurrency ?? limits.deliveryConcurrency,
    ratePerSecond: config.ratePerSecond,
    order: config.order,
    ambiguous: config.ambiguous,
    paused: config.paused,
    from: config.from,
    pii: config.pii,
    http: http.grant,
    transform: transform === undefined ? null : { ...transform, whenFails: config.whenFails ?? transform.whenFails },
    ...(email === null ? {} : { email: email.grant }),
    limits: unitLimits(plugin.manifest, limits),
    group: (config.isolation ?? plugin.manifest.isolation) === 'own' ? ('own' as const) : plugin.origin,
    hardened:
      config.hardened ?? (plugin.manifest.hardened === true || input.hardenedGroups?.includes(plugin.origin) === true),
  }
  const sends = plugin.manifest.permissions.http !== undefined || email !== null
  const hash = createHash('sha256')
    // The whole manifest: what it declares has to be held against the code again, whichever of the two was saved.
    .update(JSON.stringify([settings, config.when, plugin.bundle.hash, plugin.manifest]))
    .update(JSON.stringify([...secrets]))
    .update(JSON.stringify(sends ? input.allow : []))
    .digest('hex')
  const neededFields = input.schema.marks(config.with).flatMap(({ says, name }) => (says === 'field' ? [name] : []))
  return { installation: { ...settings, plugin, secrets, when: when.when, neededFields, hash } }
}

/** Takes the secret out and leaves a reference to it. */
function seal(root: Record<string, unknown>, path: readonly (string | number)[], secrets: Map<string, string>): void {
  const holder = path
    .slice(0, -1)
    .reduce<Record<string | number, unknown>>((value, part) => value[part] as Record<string | number, unknown>, root)
  const key = path.at(-1) as string | number
  const value = holder[key]
  if (typeof value !== 'string') return
  const name = ['config', ...path].join('.')
  secrets.set(name, value)
  holder[key] = { $secret: name }
}

/**
 * `@config.x` becomes exactly the host (and port) the admin typed there; a setting left out grants nothing, whatever its
 * default: an update could change that, so a default's host has to stand in the manifest's list to be reached.
 */
function httpGrant(manifest: Manifest, typed: unknown): { grant: HttpGrant } | { problem: string } {
  const { hosts = [], methods = [] } = manifest.permissions.http ?? {}
  const exact = new Set<string>()
  for (const entry of hosts) {
    if (!entry.startsWith('@config.')) {
      exact.add(entry.toLowerCase())
      continue
    }
    const name = entry.slice('@config.'.length)
    for (const value of textsAt(typed, name.split('.'))) {
      const host = hostOf(value)
      if (host === null)
        return { problem: `with.${name}: must be a URL or a host, because it says where the plugin may send to` }
      exact.add(host)
    }
  }
  return { grant: { hosts: [...exact], methods: [...methods] } }
}

/** As with hosts, only what the admin typed counts: an address that is a default could be changed by an update. */
function emailGrant(
  manifest: Manifest,
  typed: unknown,
  server: string,
): { grant: EmailGrant } | { problem: string } | null {
  const wanted = manifest.permissions.email?.to
  if (wanted === undefined) return null
  const addresses = new Set<string>()
  const fields: string[] = []
  for (const entry of wanted) {
    const name = entry.slice(entry.indexOf('.') + 1)
    if (entry.startsWith('@data.')) {
      fields.push(name)
      continue
    }
    for (const value of textsAt(typed, name.split('.'))) {
      const address = mailAddress(value)
      if (address === null)
        return { problem: `with.${name}: must be an e-mail address, because it says whom the plugin may write to` }
      addresses.add(address)
    }
  }
  return { grant: { addresses: [...addresses], fields, server } }
}

/** The texts at the path; a list on the way means all of its entries. */
function textsAt(value: unknown, path: readonly string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => textsAt(item, path))
  const [key, ...rest] = path
  if (key === undefined) return typeof value === 'string' && value !== '' ? [value] : []
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return []
  return textsAt((value as Record<string, unknown>)[key], rest)
}

/** The filter stays as data: routing compiles it where it is used. Here it is only known to be good. */
function checkWhen(
  config: InstallationConfig,
  manifest: Manifest,
  limits: Limits,
): { when: When } | { problem: string } {
  const { form, event, filter } = config.when
  const list = (value: string | readonly string[] | undefined) =>
    value === undefined ? null : typeof value === 'string' ? [value] : value
  if (filter !== undefined) {
    const compiled = compileFilter(filter, limits)
    if (!compiled.ok)
      return {
        problem: compiled.problems.map((problem) => `when.filter${problem.pointer}: ${problem.detail}`).join(' '),
      }
  }
  return { when: { forms: list(form), events: list(event) ?? defaultEvents(manifest), filter: filter ?? null } }
}

/** Without `when.event`: every type the plugin subscribes to, but for those it offers only to who names them. */
function defaultEvents({ on }: Manifest): readonly string[] | null {
  const types = Object.keys(on)
  const wanted = types.filter((type) => on[type]?.byDefault !== false)
  return wanted.length === types.length ? null : wanted
}

/** What the manifest asks for, and the usual for the rest. */
export function unitLimits({ limits: asked, permissions }: Manifest, limits: Limits): UnitLimits {
  return {
    heapMb: asked.heapMb ?? limits.pluginHeapMb,
    sliceMs: asked.sliceMs ?? limits.pluginSliceMs,
    cpuMs: asked.cpuMs ?? limits.pluginCpuMs,
    eventWallMs: asked.eventWallMs ?? limits.pluginEventWallMs,
    actionWallMs: asked.actionWallMs ?? limits.pluginActionWallMs,
    routeWallMs: asked.routeWallMs ?? limits.pluginRouteWallMs,
    scheduleWallMs: asked.scheduleWallMs ?? limits.pluginScheduleWallMs,
    transformWallMs: asked.transformWallMs ?? limits.pluginTransformWallMs,
    hostOpsMax: asked.hostOpsMax ?? limits.pluginHostOpsMax,
    httpCallsMax: asked.httpCallsMax ?? limits.pluginHttpCallsMax,
    logLinesMax: asked.logLinesMax ?? limits.pluginLogLinesMax,
    ...(permissions.hooks ? { httpRequestBytesMax: limits.pluginHookRequestBytesMax } : {}),
  }
}
