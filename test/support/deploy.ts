/** The files of core/deploy as data: what stands in the compose file, the Dockerfile, the units and the env example. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { ROOT } from './hub.ts'

export const DEPLOY = `${ROOT}core/deploy/`

const read = (name: string): string => readFileSync(`${DEPLOY}${name}`, 'utf8')

export interface ComposeService {
  readonly image: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly env_file?: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly (string | { readonly source: string; readonly target: string })[]
  readonly deploy?: { readonly replicas: number }
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly restart?: string
  readonly stop_grace_period?: string
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly build?: { readonly context: string; readonly dockerfile: string }
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly configs: Readonly<Record<string, { readonly content: string }>>
}

/** With its anchors and merges resolved, as docker reads it. */
export const compose = (): Compose => parse(read('compose.yaml'), { merge: true }) as Compose

/** Instructions with their continued lines joined, in order. */
export function dockerfile(): readonly { readonly verb: string; readonly rest: string }[] {
  return read('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const at = line.indexOf(' ')
      return { verb: line.slice(0, at), rest: line.slice(at + 1).trim() }
    })
}

/** The list of an instruction in its JSON form. */
export const jsonForm = (rest: string): readonly string[] => JSON.parse(rest.slice(rest.indexOf('['))) as string[]

/** Sections of a unit; a key that stands several times has several values. */
export function unit(name: string): Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> {
  const sections: Record<string, Record<string, string[]>> = {}
  let section: Record<string, string[]> = {}
  for (const line of read(name).split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const header = /^\[(\w+)\]$/.exec(line)?.[1]
    if (header !== undefined) {
      section = sections[header] = {}
      continue
    }
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (key === undefined || value === undefined) throw new Error(`${name}: "${line}" is no line of a unit`)
    ;(section[key] ??= []).push(value)
  }
  return sections
}

/** `NAME=value` pairs separated by blanks, as in `Environment=` and `ENV`. */
export const pairs = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text.split(/\s+/).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )

/** Names that the env example sets, those that are commented out as well. */
export const exampleNames = (): readonly string[] =>
  [...read('.env.example').matchAll(/^(?:# )?([A-Z][A-Z_]+)=/gm)].map((match) => match[1] as string)

/** `45s`, `45`: in milliseconds. */
export const spanMs = (text: string): number => Number(/^(\d+)s?$/.exec(text)?.[1]) * 1_000
