/** Reads one `plugin.json`, or says everything that is wrong with it, each mistake with file and JSON pointer. */
import { constants } from 'node:fs'
import { lstat, open, realpath } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { Cron } from 'croner'
import semver from 'semver'
import type { Path } from '../config/document.ts'
import { inspect, valueAt } from '../config/explain.ts'
import { toPointer } from '../ingest/form-definition.ts'
import { LIMITS } from '../limits.ts'
import { hostOf } from './host-of.ts'
import type { Manifest } from './manifest.ts'
import { HUB_API_VERSION, manifestSchema } from './manifest.ts'

export const MANIFEST_FILE = 'plugin.json'
const MANIFEST_BYTES_MAX = 262_144

export type ReadManifest = { readonly manifest: Manifest } | { readonly problems: readonly string[] }

/** `dir` is a real path. Nothing of the plugin's code runs. */
export async function readManifest(dir: string): Promise<ReadManifest> {
  const file = join(dir, MANIFEST_FILE)
  const text = await readInside(dir, file)
  if ('problem' in text) return { problems: [text.problem] }
  let value: unknown
  try {
    value = JSON.parse(text.text)
  } catch (error) {
    return { problems: [`${file}: is not valid JSON: ${(error as Error).message}`] }
  }
  // Whoever turns it into text again, or follows its schemas, recurses.
  if (isDeeper(value, LIMITS.configDepthMax))
    return { problems: [`${file}: is nested more than ${LIMITS.configDepthMax} levels deep`] }
  const result = inspect(manifestSchema, value)
  if ('mistakes' in result) {
    return { problems: result.mistakes.map((mistake) => told(at(file, mistake.path), mistake.message, mistake.hint)) }
  }
  const problems = [...rules(dir, file, result.data), ...(await mainProblems(dir, file, result.data.main))]
  return problems.length > 0 ? { problems } : { manifest: result.data }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

/** `file#/pointer`: the place of a mistake. */
const at = (file: string, path: Path): string => `${file}#${toPointer(path)}`

const told = (place: string, message: string, hint: string | null = null): string =>
  `${place}: ${message}${hint === null ? '' : ` → ${hint}`}`

/** True for the folder itself and what is below it; both must be real paths. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way === '' || (!way.startsWith(`..${sep}`) && way !== '..' && !way.startsWith(sep))
}

async function readInside(dir: string, file: string): Promise<{ text: string } | { problem: string }> {
  try {
    if (!isInside(dir, await realpath(file)))
      return { problem: `${file}: is a symbolic link that leaves the plugin's folder` }
    // Without waiting for whoever might write to it, should it be a pipe.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const info = await handle.stat()
    if (!info.isFile()) return { problem: `${file}: is not a file` }
    if (info.size > MANIFEST_BYTES_MAX) return { problem: `${file}: is larger than ${MANIFEST_BYTES_MAX} bytes` }
    return { text: (await handle.readFile('utf8')).replace(/^\uFEFF/, '') }
  } catch (error) {
    return { problem: `${file}: cannot be read (${(error as NodeJS.ErrnoException).code})` }
  }
}

/** What the shape alone cannot say. */
function rules(dir: string, file: string, manifest: Manifest): string[] {
  const problems: string[] = []
  const folder = basename(dir)
  if (manifest.id !== folder)
    problems.push(
      told(at(file, ['id']), `the id "${manifest.id}" is not the folder's name "${folder}"`, 'rename one of the two'),
    )
  if (semver.validRange(manifest.hub) === null)
    problems.push(told(at(file, ['hub']), `"${manifest.hub}" is no version range`, 'write for example "^1.0"'))
  else if (!semver.satisfies(HUB_API_VERSION, manifest.hub)) {
    problems.push(
      told(
        at(file, ['hub']),
        `wants plugin API ${manifest.hub}, this hub offers ${HUB_API_VERSION}`,
        'use a version of the plugin made for this hub',
      ),
    )
  }
  for (const [type, { enqueue, data, latest }] of Object.entries(manifest.on)) {
    if (enqueue === undefined) continue
    if (latest !== undefined)
      problems.push(told(at(file, ['on', type, 'latest']), '"enqueue" is for every event, so none can be passed over'))
    const action = Object.hasOwn(manifest.actions, enqueue) ? manifest.actions[enqueue] : undefined
    if (action === undefined)
      problems.push(told(at(file, ['on', type, 'enqueue']), `"${enqueue}" is no action of this manifest`))
    else if (action.data === undefined) {
      const message = `"${enqueue}" has no "data", so it would get neither an input nor the event`
      problems.push(
        told(at(file, ['actions', enqueue]), message, 'name what it reads, such as "data": ["data", "form"]'),
      )
    }
    if (data.length > 0) {
      const message = 'no handler runs where "enqueue" is given, so there is nobody to read "data"'
      problems.push(told(at(file, ['on', type, 'data']), message, `name the parts at actions.${enqueue}.data`))
    }
  }
  for (const [name, { pace, serial }] of Object.entries(manifest.actions)) {
    const unshared = typeof serial === 'string' ? serialProblem(serial, manifest) : null
    if (unshared !== null) problems.push(told(at(file, ['actions', name, 'serial']), unshared))
    const wrong = typeof pace?.perS === 'string' ? paceProblem(pace.perS, manifest) : null
    if (wrong !== null) problems.push(told(at(file, ['actions', name, 'pace', 'perS']), wrong))
  }
  for (const [index, host] of (manifest.permissions.http?.hosts ?? []).entries()) {
    const wrong = hostProblem(host, manifest)
    if (wrong !== null) problems.push(told(at(file, ['permissions', 'http', 'hosts', index]), wrong))
    const unlisted = wrong === null ? unlistedDefault(host, manifest) : null
    if (unlisted === null) continue
    const message = `the default leads to "${unlisted}", which "permissions.http.hosts" does not list`
    problems.push(told(at(file, defaultPath(host)), message, `add "${unlisted}" to the list`))
  }
  for (const [index, to] of (manifest.permissions.email?.to ?? []).entries()) {
    const wrong = recipientProblem(to, manifest)
    if (wrong !== null) problems.push(told(at(file, ['permissions', 'email', 'to', index]), wrong))
  }
  for (const [name, schedule] of Object.entries(manifest.schedules)) {
    const wrong = cronProblem(schedule.cron, schedule.timezone)
    if (wrong !== null) problems.push(told(at(file, ['schedules', name]), wrong))
  }
  if (manifest.config['type'] !== undefined && manifest.config['type'] !== 'object') {
    problems.push(told(at(file, ['config', 'type']), 'must be "object": settings are a mapping'))
  }
  return problems
}

const HOST = /^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?(:\d{1,5})?$/i
const IPV6_HOST = /^\[[0-9a-f:.]+\](:\d{1,5})?$/i

function hostProblem(host: string, manifest: Manifest): string | null {
  if (!host.startsWith('@')) {
    if (HOST.test(host) || IPV6_HOST.test(host)) return null
    return `"${host}" is no host; write "api.example.com", "*.example.com" or "@config.<setting>", without scheme and path`
  }
  return settingProblem(host, manifest)
}

/** Addresses of the plugin's author are none of those: e-mail goes to whom the admin or the sender named. */
function recipientProblem(to: string, manifest: Manifest): string | null {
  if (/^@data\.(\*|[A-Za-z][A-Za-z0-9_-]{0,99})$/.test(to)) return null
  if (to.startsWith('@config.')) return settingProblem(to, manifest)
  return `"${to}" says not whom; write "@config.<setting>", "@data.<field>" or "@data.*"`
}

/** What a lane counts with must be there and above 0, whatever an admin writes. */
function paceProblem(perS: string, manifest: Manifest): string | null {
  const name = /^@config\.([A-Za-z_][\w-]*)$/.exec(perS)?.[1]
  if (name === undefined) return `"${perS}" is no setting; write a number or "@config.<setting>"`
  const setting = (part: string): unknown => valueAt(manifest.config, ['properties', name, part])
  const required = valueAt(manifest.config, ['required'])
  const isThere = typeof setting('default') === 'number' || (Array.isArray(required) && required.includes(name))
  const isNumber = setting('type') === 'number' || setting('type') === 'integer'
  const isPositive = Number(setting('exclusiveMinimum') ?? -1) >= 0 || Number(setting('minimum') ?? 0) > 0
  if (isThere && isNumber && isPositive) return null
  return `"${perS}" must be a number above 0 that is always there; give "config.properties.${name}" a type, a minimum above 0 and a default`
}

/** What lanes compare must be there, and a text that is no secret. */
function serialProblem(serial: string, manifest: Manifest): string | null {
  const name = /^@config\.([A-Za-z_][\w-]*)$/.exec(serial)?.[1]
  if (name === undefined) return `"${serial}" is no setting; write true or "@config.<setting>"`
  const setting = (part: string): unknown => valueAt(manifest.config, ['properties', name, part])
  const required = valueAt(manifest.config, ['required'])
  const isThere = typeof setting('default') === 'string' || (Array.isArray(required) && required.includes(name))
  if (isThere && setting('type') === 'string' && setting('format') !== 'secret') return null
  return `"${serial}" must be a text that is always there and no secret; give "config.properties.${name}" the type "string", and a default or a place in "required"`
}

function settingProblem(entry: string, manifest: Manifest): string | null {
  const match = /^@config\.([A-Za-z_][\w-]*)(\.[\w-]+)*$/.exec(entry)
  if (!match) return `"${entry}" is no setting; write "@config.<setting>"`
  const setting = match[1] as string
  const known = valueAt(manifest.config, ['properties'])
  const composed = ['$ref', 'allOf', 'anyOf', 'oneOf'].some((key) => key in manifest.config)
  if (composed || (known !== null && typeof known === 'object' && Object.hasOwn(known, setting))) return null
  return `"${entry}" names a setting that "config" does not describe`
}

/** Where the setting of `@config.a.b` has its default. */
const defaultPath = (host: string): Path => [
  'config',
  ...host
    .slice('@config.'.length)
    .split('.')
    .flatMap((name) => ['properties', name]),
  'default',
]

/** A default is not typed by an admin: its host has to be asked for like any other. */
function unlistedDefault(host: string, manifest: Manifest): string | null {
  if (!host.startsWith('@')) return null
  const text = valueAt(manifest, defaultPath(host))
  const name = typeof text === 'string' ? hostOf(text) : null
  if (name === null) return null
  const listed = (manifest.permissions.http?.hosts ?? []).map((entry) => entry.toLowerCase())
  const covered = listed.some((entry) => entry === name || (entry.startsWith('*.') && name.endsWith(entry.slice(1))))
  return covered ? null : name
}

function cronProblem(cron: string, timezone: string): string | null {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    return `"${timezone}" is no time zone; write for example "Europe/Berlin"`
  }
  try {
    new Cron(cron, { paused: true, timezone }).stop()
    return null
  } catch (error) {
    return `"${cron}" is no cron expression: ${(error as Error).message.replace(/^CronPattern: /, '')}`
  }
}

async function mainProblems(dir: string, file: string, main: string): Promise<string[]> {
  try {
    const path = join(dir, main)
    if (!isInside(dir, await realpath(path)))
      return [told(at(file, ['main']), `"${main}" is a symbolic link that leaves the plugin's folder`)]
    return (await lstat(await realpath(path))).isFile() ? [] : [told(at(file, ['main']), `"${main}" is not a file`)]
  } catch {
    return [told(at(file, ['main']), `there is no file "${main}" in the folder`)]
  }
}
