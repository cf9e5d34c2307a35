/** The compiled `config` schemas of plugins, and plugins as the file's check sees them. */
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { KnownPlugin } from '../config/config.ts'
import type { DiscoveredPlugin } from './discover.ts'
import type { BrokenPlugin } from './installation.ts'
import type { Manifest } from './manifest.ts'
import { surveyOf } from './setting-marks.ts'
import type { WithSchema } from './with-schema.ts'
import { compileWithSchema, verifyWithSchema } from './with-schema.ts'

const KEPT_MAX = 1_000
const verifiedFile = z.array(z.string()).max(KEPT_MAX)

/** Schemas are compiled when first asked for. Which were verified is remembered in a file: that part takes longest. */
export class Schemas {
  /** By the schema's hash. */
  readonly #compiled = new Map<string, WithSchema | string>()
  readonly #hashes = new WeakMap<Manifest, string>()
  readonly #file: string | null
  readonly #verified: Set<string>
  #changed = false

  /** Null: nothing is remembered. */
  constructor(file: string | null) {
    this.#file = file
    this.#verified = new Set(file === null ? [] : readVerified(file))
  }

  /** The schema, or the sentence that says why it cannot be used. */
  of(manifest: Manifest): WithSchema | string {
    const hash = this.#hashOf(manifest)
    const known = this.#compiled.get(hash)
    if (known !== undefined) return known
    let schema: WithSchema | string
    try {
      this.#verify(manifest, hash)
      schema = compileWithSchema(manifest.config)
    } catch (error) {
      schema = `the plugin's "config" in plugin.json is no usable JSON Schema: ${(error as Error).message}`
    }
    if (this.#compiled.size >= KEPT_MAX) this.#compiled.clear()
    this.#compiled.set(hash, schema)
    return schema
  }

  /** Writes down what was verified since. */
  async save(): Promise<void> {
    if (this.#file === null || !this.#changed) return
    this.#changed = false
    await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 })
    const temporary = `${this.#file}.${randomUUID()}.tmp`
    await writeFile(temporary, JSON.stringify([...this.#verified].slice(-KEPT_MAX)), { mode: 0o600 })
    await rename(temporary, this.#file)
  }

  #hashOf(manifest: Manifest): string {
    const known = this.#hashes.get(manifest)
    if (known !== undefined) return known
    const hash = createHash('sha256').update(JSON.stringify(manifest.config)).digest('hex')
    this.#hashes.set(manifest, hash)
    return hash
  }

  #verify({ config }: Manifest, hash: string): void {
    if (this.#verified.has(hash)) return
    verifyWithSchema(config)
    this.#verified.add(hash)
    this.#changed = true
  }
}

function readVerified(file: string): readonly string[] {
  try {
    return verifiedFile.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return []
  }
}

/** Plugins as the file's check sees them; schemas are compiled when first needed. */
export function knownPlugins(
  found: readonly DiscoveredPlugin[],
  broken: readonly BrokenPlugin[],
  schemas: Schemas,
): readonly KnownPlugin[] {
  const ids = new Set(found.map((plugin) => plugin.manifest.id))
  return [
    ...found.map(({ manifest }): KnownPlugin => ({
      id: manifest.id,
      events: Object.keys(manifest.on),
      settings: Object.keys(manifest.config['properties'] ?? {}),
      checkWith: (value, isHidden) => {
        const schema = schemas.of(manifest)
        return typeof schema === 'string' ? [{ path: [], message: schema, hint: null }] : schema.check(value, isHidden)
      },
      survey: (value) => {
        const schema = schemas.of(manifest)
        return surveyOf(manifest, value, typeof schema === 'string' ? [] : schema.marks(value))
      },
      carriesHooks: manifest.permissions.hooks,
      makesForms: manifest.permissions.forms,
      sendsMail: manifest.permissions.email !== undefined,
      secretPaths: (value) => {
        const schema = schemas.of(manifest)
        return typeof schema === 'string' ? [] : schema.complete(value).secrets
      },
    })),
    ...broken
      .filter(({ id }) => !ids.has(id))
      .map(({ id, problems }): KnownPlugin => ({ id, broken: problems, checkWith: () => [] })),
  ]
}
